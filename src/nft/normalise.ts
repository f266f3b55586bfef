import { parseAddress } from "../base/address.ts";
import { parseMac } from "../base/mac.ts";
import type { Element, Expression, Rule, SetDefinition, Statement, Table } from "./ast.ts";
import { type Datatypes, datatypesOf, flagsOf } from "./datatype.ts";
import { sortElements } from "./element-order.ts";
import { withoutImpliedMatches } from "./implied-match.ts";
import { inetProtocol } from "./inet-protocol.ts";
import { expressionOf, intervalOf, mergeIntervals } from "./interval.ts";
import { isVerdict } from "./print-expression.ts";
import { withNamedRejects } from "./reject.ts";

/**
 * The normal form of a table: the one among all that mean the same which nft itself lists, with elements in order of value. Sets
 * and chains keep their order, which has no meaning to the kernel but much to a reader.
 */
export function normalise(table: Table): Table {
  return {
    ...table,
    sets: table.sets.map(normaliseSet),
    chains: table.chains.map((chain) => ({ ...chain, rules: chain.rules.map(normaliseRule) })),
  };
}

/** nft lists flags in this order. */
const setFlags: readonly SetDefinition["flags"][number][] = [
  "constant",
  "dynamic",
  "interval",
  "timeout",
];

/** The normal form of a set of a table. */
export function normaliseSet(set: SetDefinition): SetDefinition {
  return {
    ...set,
    flags: setFlags.filter((flag) => set.flags.includes(flag)),
    elements: normaliseElements(set.elements, set.type, set.data),
  };
}

function normaliseElements(
  elements: readonly Element[],
  keyTypes: Datatypes,
  dataTypes: Datatypes = [],
): Element[] {
  const types = { type: keyTypes, data: dataTypes };
  return sortElements(elements.map((element) => normaliseElement(element, types)));
}

/** The normal form of an element of such a set. */
export function normaliseElement(
  element: Element,
  { type, data = [] }: Pick<SetDefinition, "type" | "data">,
): Element {
  const key = shortest(normaliseConstant(element.key, type));
  if (element.data === undefined || isVerdict(element.data)) return { ...element, key };
  return { ...element, key, data: normaliseConstant(element.data, data) };
}

function normaliseRule(rule: Rule): Rule {
  const statements = rule.statements.map(normaliseStatement);
  return { ...rule, statements: withoutImpliedMatches(withNamedRejects(statements)) };
}

function normaliseStatement(statement: Statement): Statement {
  switch (statement.kind) {
    case "match":
      return normaliseMatch(statement);
    case "vmap":
      return {
        ...statement,
        key: normaliseSelector(statement.key),
        data: normaliseMapData(statement.key, statement.data, []),
      };
    case "mangle":
      return {
        ...statement,
        value: normaliseConstant(statement.value, datatypesOf(statement.key)),
      };
    case "dnat":
    case "snat":
    case "masquerade":
    case "redirect":
      return normaliseNat(statement);
    default:
      return statement;
  }
}

type Nat = Extract<Statement, { kind: "dnat" | "snat" | "masquerade" | "redirect" }>;

function normaliseNat(nat: Nat): Nat {
  const port =
    nat.port === undefined ? {} : { port: shortest(normaliseConstant(nat.port, ["inet_service"])) };
  if (!("address" in nat) || nat.address === undefined) return { ...nat, ...port };
  return { ...nat, ...port, address: normaliseConstant(nat.address, ["address", "inet_service"]) };
}

type Match = Extract<Statement, { kind: "match" }>;

function normaliseMatch(match: Match): Match {
  const left = normaliseSelector(match.left);
  const types = datatypesOf(left);
  const right = withoutBraces(normaliseConstant(match.right, types), types);
  // A whole-width prefix and a range of one are the value they hold.
  const isWhole = right.kind === "prefix" || (right.kind === "range" && right.first === right.last);
  return { ...match, left, right: isWhole ? keepUnlessOne(right) : right };
}

/** nft lists `{ 22 }` as `22`, though not for a concatenation. */
function withoutBraces(right: Expression, types: Datatypes): Expression {
  const [only, ...more] = right.kind === "elements" ? right.elements : [];
  const isSingle = only !== undefined && more.length === 0 && only.unknown === undefined;
  return isSingle && types.length === 1 ? only.key : right;
}

function keepUnlessOne(expression: Expression): Expression {
  const short = shortest(expression);
  return short.kind === "value" ? short : expression;
}

/** The left side of a match, which holds constants only as masks. */
function normaliseSelector(selector: Expression): Expression {
  switch (selector.kind) {
    case "concat":
      return { ...selector, parts: selector.parts.map(normaliseSelector) };
    case "|":
    case "&":
    case "^":
      return normaliseConstant(selector, datatypesOf(selector));
    default:
      return selector;
  }
}

function normaliseConstant(expression: Expression, types: Datatypes): Expression {
  const [type = "integer"] = types;
  switch (expression.kind) {
    case "value":
      return { ...expression, value: normaliseValue(expression.value, type) };
    case "range":
      return {
        ...expression,
        first: normaliseValue(expression.first, type),
        last: normaliseValue(expression.last, type),
      };
    case "prefix":
      return { ...expression, address: parseAddress(expression.address) ?? expression.address };
    case "flags":
      return { ...expression, values: sortFlags(expression.values, type) };
    case "concat":
      return {
        ...expression,
        parts: expression.parts.map((part, index) =>
          normaliseConstant(part, types.slice(index, index + 1)),
        ),
      };
    case "elements":
      return { ...expression, elements: merge(normaliseElements(expression.elements, types)) };
    case "map":
      return {
        ...expression,
        key: normaliseSelector(expression.key),
        data: normaliseMapData(expression.key, expression.data, types),
      };
    case "|":
    case "&":
    case "^":
      return {
        ...expression,
        left: normaliseConstant(expression.left, types),
        right: normaliseConstant(expression.right, types),
      };
    default:
      return expression;
  }
}

function normaliseMapData(key: Expression, data: Expression, dataTypes: Datatypes): Expression {
  if (data.kind !== "elements") return data;
  return { ...data, elements: normaliseElements(data.elements, datatypesOf(key), dataTypes) };
}

const textTypes = new Set(["ifname", "iface_index", "ifkind"]);

function normaliseValue(value: string | number, type: string): string | number {
  if (type === "inet_proto") return inetProtocol(asNumber(value));
  if (type === "dscp") return dscpNumber(asNumber(value));
  if (typeof value === "number" || textTypes.has(type)) return value;
  const number = asNumber(value);
  if (typeof number === "number") return number;
  if (type === "ether_addr") return parseMac(value) ?? value;
  return parseAddress(value) ?? value;
}

/** Names of code points (nft 1.0.6, src/proto.c). */
const dscpNames: ReadonlyMap<string, number> = new Map([
  ...Array.from({ length: 8 }, (_, index): [string, number] => [`cs${index}`, index * 8]),
  ...[1, 2, 3, 4].flatMap((kind) =>
    [1, 2, 3].map((drop): [string, number] => [`af${kind}${drop}`, kind * 8 + drop * 2]),
  ),
  ["df", 0],
  ["be", 0],
  ["lephb", 1],
  ["va", 44],
  ["ef", 46],
]);

function dscpNumber(value: string | number): string | number {
  return typeof value === "number" ? value : (dscpNames.get(value) ?? value);
}

function asNumber(value: string | number): string | number {
  return typeof value === "string" && /^(\d+|0x[0-9a-f]+)$/i.test(value) ? Number(value) : value;
}

function sortFlags(flags: readonly string[], type: string): readonly string[] {
  const order = flagsOf(type) ?? [];
  return flags.toSorted((a, b) => order.indexOf(a) - order.indexOf(b));
}

/** In a set nft lists every interval in the shortest form. */
function shortest(key: Expression): Expression {
  if (key.kind === "concat") return { ...key, parts: key.parts.map(shortest) };
  if (key.kind !== "range" && key.kind !== "prefix") return key;
  const interval = intervalOf(key);
  return interval === undefined ? key : expressionOf(interval);
}

/** nft joins neighbours in an anonymous set, once an element of it is more than one value. */
function merge(elements: readonly Element[]): readonly Element[] {
  if (elements.every(({ key }) => key.kind !== "range" && key.kind !== "prefix")) return elements;
  if (elements.some(({ data }) => data !== undefined)) return elements;
  const intervals = elements.map(({ key }) => intervalOf(key));
  const known = intervals.filter((interval) => interval !== undefined);
  if (known.length < intervals.length) return elements;
  return mergeIntervals(known).map((interval) => ({ key: expressionOf(interval) }));
}
