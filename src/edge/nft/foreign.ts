import type { TableFamily } from "../../nft/ast.ts";
import type { ForeignChain, ForeignRule, ForeignTable } from "../../ports/kernel.ts";
import { ownTables } from "../../wire/gate-protocol.ts";
import type { ListedObject, Listing, TableAddress } from "./list.ts";

/** Statements after which a packet that was not judged yet is still alive. Of everything else we assume that it may drop. */
const harmless = new Set([
  "match",
  "counter",
  "log",
  "limit",
  "quota",
  "last",
  "meter",
  "mangle",
  "set",
  "map",
  "notrack",
  "flow",
  "masquerade",
  "snat",
  "dnat",
  "redirect",
  "dup",
  "ct count",
  "ct helper",
  "ct timeout",
  "ct expectation",
  "secmark",
  "accept",
  "return",
  "continue",
]);

const families: readonly string[] = [
  "ip",
  "ip6",
  "inet",
  "bridge",
  "arp",
  "netdev",
] satisfies TableFamily[];

/** The tables of others in a listing of all chains that hold a base chain of type filter. */
export function foreignTables(chains: Listing): readonly TableAddress[] {
  const found = new Map<string, TableAddress>();
  for (const object of chains.nftables) {
    const chain = object["chain"];
    if (chain === undefined || !isFilterChain(chain)) continue;
    const [family, name] = [text(chain["family"]), text(chain["table"])];
    if (!families.includes(family) || isOurs(family, name)) continue;
    found.set(`${family} ${name}`, { family, name });
  }
  return [...found.values()];
}

export function readForeignTable(table: TableAddress, listing: Listing): ForeignTable {
  const rules = rulesByChain(listing);
  const mayDrop = dropFinder(rules);
  const handle = listing.nftables.find((object) => object["table"])?.["table"]?.["handle"];
  return {
    family: table.family as TableFamily,
    name: table.name,
    ...(typeof handle === "number" && { handle }),
    chains: listing.nftables.flatMap(({ chain }) =>
      chain !== undefined && isFilterChain(chain)
        ? [readChain(chain, rules.get(text(chain["name"])) ?? [], mayDrop)]
        : [],
    ),
  };
}

type Body = ListedObject[string];
type DropFinder = (rule: Body) => boolean;

function readChain(chain: Body, rules: readonly Body[], mayDrop: DropFinder): ForeignChain {
  return {
    name: text(chain["name"]),
    hook: text(chain["hook"]),
    priority: typeof chain["prio"] === "number" ? chain["prio"] : 0,
    policy: chain["policy"] === "drop" ? "drop" : "accept",
    rules: rules.map((rule) => readRule(rule, mayDrop)),
  };
}

function readRule(rule: Body, mayDrop: DropFinder): ForeignRule {
  const comment = rule["comment"];
  const passes = passedBits(statementsOf(rule));
  return {
    handle: typeof rule["handle"] === "number" ? rule["handle"] : 0,
    ...(typeof comment === "string" && { comment }),
    mayDrop: mayDrop(rule),
    ...(passes !== undefined && { passes }),
  };
}

/** The bits of `meta mark & bits == bits accept`, whatever it counts on the way. */
function passedBits(statements: readonly Tagged[]): number | undefined {
  const [match, ...rest] = statements.filter(([tag]) => tag !== "counter");
  if (match?.[0] !== "match" || rest.length !== 1 || rest[0]?.[0] !== "accept") return undefined;
  const { op, left, right } = asBody(match[1]);
  if (op !== "==" || typeof right !== "number") return undefined;
  const operands = asBody(left)["&"];
  if (!Array.isArray(operands) || operands.length !== 2) return undefined;
  const [meta, bits] = operands as readonly unknown[];
  return asBody(asBody(meta)["meta"])["key"] === "mark" && bits === right ? right : undefined;
}

/** Follows jumps inside one table; a chain is looked into once. */
function dropFinder(rules: ReadonlyMap<string, readonly Body[]>): DropFinder {
  const known = new Map<string, boolean>();
  const chainMayDrop = (chain: unknown): boolean => {
    const name = text(chain);
    const before = known.get(name);
    if (before !== undefined) return before;
    // The kernel takes no loops; this ends one all the same.
    known.set(name, false);
    const answer = (rules.get(name) ?? []).some(ruleMayDrop);
    known.set(name, answer);
    return answer;
  };
  const verdictMayDrop = ([tag, value]: Tagged): boolean =>
    tag === "jump" || tag === "goto"
      ? chainMayDrop(asBody(value)["target"])
      : tag === "vmap"
        ? vmapMayDrop(value)
        : !harmless.has(tag);
  const vmapMayDrop = (vmap: unknown): boolean => {
    const elements = asBody(asBody(vmap)["data"])["set"];
    // A named map is listed without elements, and they may change without a change of the rule.
    if (!Array.isArray(elements)) return true;
    return elements.some((element: unknown) => {
      const verdict = Array.isArray(element) ? tagged(element[1]) : undefined;
      return verdict === undefined || verdictMayDrop(verdict);
    });
  };
  const ruleMayDrop = (rule: Body): boolean => statementsOf(rule).some(verdictMayDrop);
  return ruleMayDrop;
}

type Tagged = readonly [tag: string, value: unknown];

function statementsOf(rule: Body): readonly Tagged[] {
  const statements = rule["expr"];
  if (!Array.isArray(statements)) return [];
  return statements.map((each: unknown) => tagged(each) ?? ["unknown", each]);
}

/** nft writes statements without arguments as `{"drop": null}`, and a few as the bare word. */
function tagged(json: unknown): Tagged | undefined {
  return typeof json === "string" ? [json, null] : Object.entries(asBody(json))[0];
}

function rulesByChain(listing: Listing): ReadonlyMap<string, readonly Body[]> {
  const rules = new Map<string, Body[]>();
  for (const { rule } of listing.nftables) {
    if (rule === undefined) continue;
    const chain = text(rule["chain"]);
    const list = rules.get(chain);
    if (list === undefined) rules.set(chain, [rule]);
    else list.push(rule);
  }
  return rules;
}

function isFilterChain(chain: Body): boolean {
  return chain["type"] === "filter" && typeof chain["hook"] === "string";
}

function isOurs(family: string, name: string): boolean {
  return ownTables.some((table) => table.family === family && table.name === name);
}

function asBody(json: unknown): Body {
  return typeof json === "object" && json !== null ? (json as Body) : {};
}

function text(json: unknown): string {
  return typeof json === "string" ? json : "";
}
