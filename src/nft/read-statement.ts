import type { Expression, Rule, Statement } from "./ast.ts";
import {
  asArray,
  asNumber,
  asString,
  asTagged,
  asWord,
  isObject,
  type Json,
  type JsonObject,
  unknownProperties,
} from "./json.ts";
import { readExpression, readVerdict } from "./read-expression.ts";

export function readRule(json: JsonObject): Rule {
  const statements = asArray(json["expr"]).map(readStatement);
  return json["comment"] === undefined
    ? { statements }
    : { statements, comment: asString(json["comment"]) };
}

/** What has no place in the AST becomes `unknown`, a known statement with a property that has none among it. */
function readStatement(json: Json): Statement {
  const verdict = readVerdict(json);
  if (verdict !== undefined) return verdict;
  const [tag, value] = asTagged(json) ?? ["", undefined];
  const reader = readers[tag];
  const body = isObject(value) ? value : {};
  if (reader === undefined || unknownProperties(body, reader.properties) !== undefined) {
    return { kind: "unknown", json: JSON.stringify(json) ?? "" };
  }
  return reader.read(body);
}

interface StatementReader {
  readonly properties: readonly string[];
  readonly read: (body: JsonObject) => Statement;
}

const readers: Readonly<Record<string, StatementReader>> = {
  match: { properties: ["op", "left", "right"], read: readMatch },
  counter: { properties: ["packets", "bytes"], read: () => ({ kind: "counter" }) },
  vmap: {
    properties: ["key", "data"],
    read: ({ key, data }) => ({
      kind: "vmap",
      key: readExpression(key),
      data: readExpression(data),
    }),
  },
  dnat: natReader("dnat"),
  snat: natReader("snat"),
  masquerade: {
    properties: ["port"],
    read: (body) => ({ kind: "masquerade", ...readPort(body) }),
  },
  redirect: { properties: ["port"], read: (body) => ({ kind: "redirect", ...readPort(body) }) },
  mangle: {
    properties: ["key", "value"],
    read: ({ key, value }) => ({
      kind: "mangle",
      key: readExpression(key),
      value: readExpression(value),
    }),
  },
  log: { properties: ["prefix", "group", "level"], read: readLog },
  limit: { properties: ["rate", "per", "burst", "inv"], read: readLimit },
  reject: { properties: ["type", "expr"], read: readReject },
  set: { properties: ["op", "set", "elem", "stmt"], read: readSet },
};

/** An element's other properties (comment ...) are not ours to know. */
function readSetKey(json: Json): { key: Expression; timeout?: number } {
  const element = isObject(json) ? json["elem"] : undefined;
  const properties = isObject(element) ? Object.keys(element).toSorted().join() : "";
  if (!isObject(element) || properties !== "timeout,val") return { key: readExpression(json) };
  return { key: readExpression(element["val"]), timeout: asNumber(element["timeout"]) };
}

const matchOperators = ["==", "!=", "<", ">", "<=", ">=", "in"] as const;

/** `tcp flags ! syn` has an operator of its own, which we never write. */
function readMatch({ op, left, right }: JsonObject): Statement {
  if (op === "!") {
    return { kind: "unknown", json: JSON.stringify({ match: { op, left, right } }) };
  }
  return {
    kind: "match",
    op: asWord(op, matchOperators),
    left: readExpression(left),
    right: readExpression(right),
  };
}

function natReader(kind: "dnat" | "snat"): StatementReader {
  return {
    properties: ["family", "addr", "port"],
    read: (body) => ({
      kind,
      ...(body["family"] === undefined ? {} : { family: asWord(body["family"], ["ip", "ip6"]) }),
      ...(body["addr"] === undefined ? {} : { address: readExpression(body["addr"]) }),
      ...readPort(body),
    }),
  };
}

function readPort({ port }: JsonObject) {
  return port === undefined ? {} : { port: readExpression(port) };
}

function readLog({ prefix, group, level }: JsonObject): Statement {
  return {
    kind: "log",
    ...(prefix === undefined ? {} : { prefix: asString(prefix) }),
    ...(group === undefined ? {} : { group: asNumber(group) }),
    ...(level === undefined ? {} : { level: asString(level) }),
  };
}

function readLimit({ rate, per, burst, inv }: JsonObject): Statement {
  return {
    kind: "limit",
    rate: asNumber(rate),
    per: asWord(per, ["second", "minute", "hour", "day"]),
    burst: asNumber(burst),
    ...(inv === true ? { over: true } : {}),
  };
}

function readSet(body: JsonObject): Statement {
  const { op, set, elem, stmt } = body;
  const over = stmt === undefined ? undefined : readCount(stmt);
  if (stmt !== undefined && over === undefined) {
    return { kind: "unknown", json: JSON.stringify({ set: body }) };
  }
  return {
    kind: "set",
    op: asWord(op, ["add", "update", "delete"]),
    set: asString(set).replace(/^@/, ""),
    ...readSetKey(elem),
    ...(over === undefined ? {} : { over }),
  };
}

/** Elements may hold other statements too. */
function readCount(json: Json): number | undefined {
  const [only, ...more] = asArray(json);
  const [tag, body] = asTagged(only) ?? ["", undefined];
  if (more.length > 0 || tag !== "ct count" || !isObject(body)) return undefined;
  return body["inv"] === true ? asNumber(body["val"]) : undefined;
}

function readReject({ type, expr }: JsonObject): Statement {
  return {
    kind: "reject",
    ...(type === undefined ? {} : { type: asString(type) }),
    ...(expr === undefined ? {} : { code: asString(expr) }),
  };
}
