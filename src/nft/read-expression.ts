import type { Element, Expression, Verdict } from "./ast.ts";
import {
  asArray,
  asList,
  asNumber,
  asObject,
  asString,
  asTagged,
  asWord,
  isObject,
  type Json,
  type JsonObject,
  unknownProperties,
} from "./json.ts";

/** What has no place in the AST becomes `unknown`; what contradicts nft's own schema throws. */
export function readExpression(json: Json): Expression {
  if (typeof json === "string") return readWord(json);
  if (typeof json === "number") return { kind: "value", value: json };
  // fib's `exists` and `missing`.
  if (typeof json === "boolean") return { kind: "value", value: json ? "exists" : "missing" };
  if (Array.isArray(json)) return { kind: "flags", values: json.map(asString) };
  const [tag, value] = asTagged(json) ?? ["", undefined];
  const read = readers[tag];
  return read?.(value) ?? unknownExpression(json);
}

const readers: Readonly<Record<string, (value: Json) => Expression | undefined>> = {
  meta: (value) => only(asObject(value), ["key"]) && meta(asObject(value)),
  ct: (value) => only(asObject(value), ["key", "dir"]) && ct(asObject(value)),
  payload: (value) =>
    only(asObject(value), ["protocol", "field"])
      ? payload(asObject(value))
      : only(asObject(value), ["base", "offset", "len"]) && raw(asObject(value)),
  "tcp option": tcpOption,
  fib: (value) => only(asObject(value), ["result", "flags"]) && fib(asObject(value)),
  concat: (value) => ({ kind: "concat", parts: asArray(value).map(readExpression) }),
  prefix: readPrefix,
  range: readRange,
  set: (value) => ({ kind: "elements", elements: asList(value).map(readElement) }),
  map: (value) => {
    const { key, data } = asObject(value);
    return { kind: "map", key: readExpression(key), data: readExpression(data) };
  },
  elem: (value) =>
    only(asObject(value), ["val"]) ? readExpression(asObject(value)["val"]) : undefined,
  "|": (value) => operation("|", value),
  "&": (value) => operation("&", value),
  "^": (value) => operation("^", value),
};

function readWord(text: string): Expression {
  return text.startsWith("@")
    ? { kind: "reference", name: text.slice(1) }
    : { kind: "value", value: text };
}

function unknownExpression(json: Json): Expression {
  return { kind: "unknown", json: JSON.stringify(json) ?? "" };
}

function only(object: JsonObject, known: readonly string[]): true | undefined {
  return unknownProperties(object, known) === undefined ? true : undefined;
}

function meta(object: JsonObject): Expression {
  return { kind: "meta", key: asString(object["key"]) };
}

function ct(object: JsonObject): Expression {
  const key = asString(object["key"]);
  if (object["dir"] === undefined) return { kind: "ct", key };
  return { kind: "ct", key, direction: asWord(object["dir"], ["original", "reply"]) };
}

function raw(object: JsonObject): Expression {
  return {
    kind: "raw",
    base: asWord(object["base"], ["ll", "nh", "th", "ih"]),
    offset: asNumber(object["offset"]),
    length: asNumber(object["len"]),
  };
}

function payload(object: JsonObject): Expression {
  return {
    kind: "payload",
    protocol: asString(object["protocol"]),
    field: asString(object["field"]),
  };
}

/** IANA's numbers by nft's names (nft 1.0.6 and 1.1, src/tcpopt.c). */
const tcpOptions: ReadonlyMap<string, number> = new Map([
  ["eol", 0],
  ["nop", 1],
  ["maxseg", 2],
  ["window", 3],
  ["sack-permitted", 4],
  ["sack-perm", 4],
  ["sack", 5],
  ["timestamp", 8],
  ["md5sig", 19],
  ["mptcp", 30],
  ["fastopen", 34],
]);

/** nft knows the names of some; of the others it lists where in the option it looks: at the first byte, which is the kind. */
function tcpOption(json: Json): Expression | undefined {
  const { name, base, offset, len, ...others } = asObject(json);
  if (Object.keys(others).length > 0) return undefined;
  if (name === undefined && (offset !== 0 || len !== 8)) return undefined;
  const option = typeof name === "string" ? tcpOptions.get(name) : base;
  return typeof option === "number" ? { kind: "tcp option", option } : undefined;
}

function fib(object: JsonObject): Expression {
  return {
    kind: "fib",
    result: asString(object["result"]),
    flags: asList(object["flags"]).map(asString),
  };
}

function readPrefix(json: Json): Expression | undefined {
  const { addr, len } = asObject(json);
  if (typeof addr !== "string") return undefined;
  return { kind: "prefix", address: addr, length: asNumber(len) };
}

function readRange(json: Json): Expression | undefined {
  const [first, last] = asArray(json);
  return isConstant(first) && isConstant(last) ? { kind: "range", first, last } : undefined;
}

function isConstant(json: Json): json is string | number {
  return typeof json === "string" || typeof json === "number";
}

/**
 * nft 1.0.6 writes `a | b | c` nested, later versions as one array. A mask of flags is `["fin", "syn"]` to 1.0.6 and
 * `{"|": ["fin", "syn"]}` to 1.1.
 */
function operation(kind: "|" | "&" | "^", json: Json): Expression | undefined {
  const words = asArray(json).filter((each) => typeof each === "string");
  if (kind === "|" && words.length === asArray(json).length) {
    return { kind: "flags", values: words };
  }
  const [first, second, ...more] = asArray(json).map(readExpression);
  if (first === undefined || second === undefined) return undefined;
  return [second, ...more].reduce((left, right) => ({ kind, left, right }), first);
}

/** `KEY`, `[KEY, DATA]`, and either key as `{elem: {val: KEY, counter: ...}}`. */
export function readElement(json: Json): Element {
  if (!Array.isArray(json)) return readKey(json);
  const [key, data] = asArray(json);
  return { ...readKey(key), data: readVerdict(data) ?? readExpression(data) };
}

function readKey(json: Json): Element {
  const elem = isObject(json) ? json["elem"] : undefined;
  if (!isObject(elem)) return { key: readExpression(json) };
  const key = readExpression(elem["val"]);
  const { expires } = elem;
  const unknown = unknownProperties(elem, ["val", "counter", "timeout", "expires"]);
  return {
    key,
    ...(expires !== undefined && { timeout: asNumber(expires) }),
    ...(unknown !== undefined && { unknown }),
  };
}

/** Undefined for what is no verdict. */
export function readVerdict(json: Json): Verdict | undefined {
  const [tag, value] = asTagged(json) ?? ["", undefined];
  switch (tag) {
    case "accept":
    case "drop":
    case "return":
    case "continue":
      return { kind: tag };
    case "jump":
    case "goto":
      return { kind: tag, chain: asString(asObject(value)["target"]) };
    default:
      return undefined;
  }
}
