import type {
  BaseChain,
  Chain,
  Element,
  ElementCount,
  Rule,
  SetDefinition,
  SetFlag,
  Table,
  TableFamily,
} from "./ast.ts";
import { type Datatypes, datatypesOf } from "./datatype.ts";
import {
  asArray,
  asList,
  asNumber,
  asObject,
  asString,
  asWord,
  isObject,
  type Json,
  type JsonObject,
  unknownProperties,
} from "./json.ts";
import { likelyElements } from "./likely-elements.ts";
import { withListed } from "./listed-elements.ts";
import { normalise, normaliseElement, normaliseSet } from "./normalise.ts";
import { printExpression } from "./print-expression.ts";
import { readElement, readExpression } from "./read-expression.ts";
import { readRule } from "./read-statement.ts";

/**
 * The tables of `nft -j list table` or `list ruleset`, in normal form. Stateful objects, flowtables and the comments of chains and
 * tables are passed over: without a rule that names them they do nothing. Throws `UnexpectedJson` for what nft never prints.
 * What stands in a `likely` table too comes out as the same objects, ahead of the other elements of its set.
 */
export function readTables(json: Json, likely: readonly Table[] = []): Table[] {
  return splitTables(json).map(({ bare, sets }) => {
    const same = likely.find((each) => each.family === bare.family && each.name === bare.name);
    return { ...bare, sets: sets.map((set) => readWholeSet(set, same?.sets)) };
  });
}

/**
 * The same, but the elements of a named set are read when they are first asked for, and stand in the kernel's order: of all sets of a
 * host a packet meets few.
 */
export function readTablesOnDemand(json: Json): Table[] {
  return splitTables(json).map(({ bare, sets }) => ({ ...bare, sets: sets.map(readOnDemand) }));
}

interface SplitTable {
  /** In normal form, without its sets. */
  readonly bare: Table;
  readonly sets: readonly JsonObject[];
}

function splitTables(json: Json): SplitTable[] {
  const objects = readObjects(json);
  const chains = bodiesOf(objects, "chain");
  const rules = rulesByChain(bodiesOf(objects, "rule"));
  const sets = bodiesOf(objects, "set", "map");
  return bodiesOf(objects, "table").map((table) => {
    const family = readFamily(table["family"]);
    const name = asString(table["name"]);
    const isMember = (body: JsonObject) => body["family"] === family && body["table"] === name;
    const bare = normalise({
      family,
      name,
      sets: [],
      chains: chains.filter(isMember).map((chain) => readChain(chain, rules)),
      ...(isDormant(table) ? { dormant: true } : {}),
    });
    return { bare, sets: sets.filter(isMember) };
  });
}

function readWholeSet(
  json: JsonObject,
  likely: readonly SetDefinition[] | undefined,
): SetDefinition {
  const { set, found, others } = sortOut(json, likely);
  return withFound(normaliseSet(readSet(set, others)), found);
}

function readOnDemand(json: JsonObject): SetDefinition {
  const set = normaliseSet(readSet(json, []));
  return withListed(set, {
    elements: asList(json["elem"]),
    read: (element) => normaliseElement(readElement(element), set),
  });
}

interface SortedOut {
  readonly set: JsonObject;
  readonly found: readonly Element[];
  readonly others: readonly Json[];
}

function sortOut(set: JsonObject, likely: readonly SetDefinition[] = []): SortedOut {
  const find = likelyElements(likely.find(({ name }) => name === set["name"]));
  const found: Element[] = [];
  const others = asList(set["elem"]).filter((json) => {
    const element = find(json);
    if (element !== undefined) found.push(element);
    return element === undefined;
  });
  return { set, found, others };
}

function withFound(set: SetDefinition, found: readonly Element[] = []): SetDefinition {
  return found.length === 0 ? set : { ...set, elements: [...found, ...set.elements] };
}

/** Counts of all elements that have a counter, in the order of the listing. */
export function readElementCounts(json: Json): ElementCount[] {
  return bodiesOf(readObjects(json), "set", "map").flatMap((set) => {
    const types = readTypes(set["type"]);
    return asList(set["elem"]).flatMap((element) => {
      const key: Json = Array.isArray(element) ? element[0] : element;
      const elem = isObject(key) ? key["elem"] : undefined;
      if (!isObject(elem) || !isObject(elem["counter"])) return [];
      return {
        table: asString(set["table"]),
        set: asString(set["name"]),
        key: printExpression(readExpression(elem["val"]), types),
        packets: asNumber(elem["counter"]["packets"]),
      };
    });
  });
}

function readObjects(json: Json): readonly JsonObject[] {
  return asArray(asObject(json)["nftables"]).map(asObject);
}

function bodiesOf(objects: readonly JsonObject[], ...tags: readonly string[]): JsonObject[] {
  return objects.flatMap((object) =>
    tags.filter((tag) => tag in object).map((tag) => asObject(object[tag])),
  );
}

const families = ["ip", "ip6", "inet", "bridge", "arp", "netdev"] as const satisfies TableFamily[];

function readFamily(json: Json): TableFamily {
  return asWord(json, families);
}

/** nft 1.0.6 prints stray memory in place of any one flag, so there a sleeping table goes unseen; 1.1.3 prints the word. */
function isDormant(table: JsonObject): boolean {
  return asList(table["flags"]).includes("dormant");
}

function rulesByChain(rules: readonly JsonObject[]): ReadonlyMap<string, readonly Rule[]> {
  const byChain = new Map<string, Rule[]>();
  for (const rule of rules) {
    const key = chainKey(rule, rule["chain"]);
    const list = byChain.get(key) ?? [];
    list.push(readRule(rule));
    byChain.set(key, list);
  }
  return byChain;
}

function chainKey(body: JsonObject, chain: Json): string {
  return [body["family"], body["table"], chain].map(asString).join(" ");
}

function readChain(json: JsonObject, rules: ReadonlyMap<string, readonly Rule[]>): Chain {
  const name = asString(json["name"]);
  const chain = { name, rules: rules.get(chainKey(json, name)) ?? [] };
  return json["hook"] === undefined ? chain : { ...chain, base: readBase(json) };
}

const hooks = [
  "prerouting",
  "input",
  "forward",
  "output",
  "postrouting",
  "ingress",
  "egress",
] as const satisfies BaseChain["hook"][];

function readBase(json: JsonObject): BaseChain {
  return {
    type: asWord(json["type"], ["filter", "nat", "route"]),
    hook: asWord(json["hook"], hooks),
    priority: asNumber(json["prio"]),
    policy: json["policy"] === undefined ? "accept" : asWord(json["policy"], ["accept", "drop"]),
  };
}

const knownSetProperties = [
  "family",
  "name",
  "table",
  "type",
  "map",
  "handle",
  "flags",
  "elem",
  "stmt",
  "size",
];

const setFlags = ["constant", "interval", "timeout", "dynamic"] as const satisfies SetFlag[];

function readSet(json: JsonObject, elements: readonly Json[]): SetDefinition {
  const statements = asList(json["stmt"]).map(asObject);
  const isCounter =
    statements.length === 1 && statements[0] !== undefined && "counter" in statements[0];
  const known = isCounter || statements.length === 0 ? knownSetProperties : withoutStatements;
  const unknown = unknownProperties(json, known);
  return {
    name: asString(json["name"]),
    type: readTypes(json["type"]),
    ...(json["map"] === undefined ? {} : { data: readTypes(json["map"]) }),
    ...(json["size"] === undefined ? {} : { size: asNumber(json["size"]) }),
    flags: asList(json["flags"]).map((flag) => asWord(flag, setFlags)),
    counter: isCounter,
    elements: elements.map(readElement),
    ...(unknown === undefined ? {} : { unknown }),
  };
}

const withoutStatements = knownSetProperties.filter((property) => property !== "stmt");

/** `"ipv4_addr"`, `"ipv4_addr . inet_service"`, `["ipv4_addr", "inet_service"]` or `{typeof: EXPRESSION}`. */
function readTypes(json: Json): Datatypes {
  if (isObject(json)) {
    const types = datatypesOf(readExpression(json["typeof"]));
    return types.map((type) => (type === "raw" ? "integer" : type));
  }
  return asList(json).flatMap((type) => asString(type).split(" . "));
}
