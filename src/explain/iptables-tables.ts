import type { Family } from "../base/address.ts";
import type { BaseChain, Chain, Rule, Table } from "../nft/ast.ts";
import type { SavedChain, SavedTable } from "../xtables/save.ts";
import { type Reading, translateRule } from "./iptables-rule.ts";
import { definitionsOf, type IpSets } from "./iptables-set.ts";

/** What one program of iptables has listed. */
export interface SavedTables {
  readonly family: Family;
  readonly backend: "nft" | "legacy";
  readonly tables: readonly SavedTable[];
}

/** Whether a table holds matches or targets of iptables that nft shows the names of alone. */
export function isOpaque({ chains }: Table): boolean {
  return chains.some(({ rules }) => rules.some(isOpaqueRule));
}

function isOpaqueRule({ statements }: Rule): boolean {
  return statements.some((each) => each.kind === "unknown" && each.json.startsWith('{"xt":'));
}

/** The tables with what iptables-save says of their opaque rules, and behind them those of iptables-legacy. */
export function withIptables(
  tables: readonly Table[],
  saved: readonly SavedTables[],
  sets: IpSets = new Map(),
): readonly Table[] {
  const resolved = tables.map((table) => resolve(table, saved, sets));
  const legacy = saved
    .filter(({ backend }) => backend === "legacy")
    .flatMap(({ family, tables: own }) => own.map((table) => legacyTable(table, { family, sets })));
  return [...resolved, ...legacy];
}

function resolve(table: Table, saved: readonly SavedTables[], sets: IpSets): Table {
  const family = table.family === "ip" ? 4 : table.family === "ip6" ? 6 : undefined;
  if (family === undefined || !isOpaque(table)) return table;
  const own = saved
    .filter((each) => each.backend === "nft" && each.family === family)
    .flatMap(({ tables }) => tables)
    .find(({ name }) => name === table.name);
  if (own === undefined) return table;
  const chains = new Map(own.chains.map((chain) => [chain.name, chain]));
  const reading: Reading = { family, sets };
  return {
    ...table,
    sets: [...table.sets, ...definitionsOf(sets, family)],
    chains: table.chains.map((chain) => resolveChain(chain, chains.get(chain.name), reading)),
  };
}

/** Rule by rule; where one was put in between the two listings all stay as they are. */
function resolveChain(chain: Chain, saved: SavedChain | undefined, reading: Reading): Chain {
  if (saved?.rules.length !== chain.rules.length) return chain;
  return {
    ...chain,
    rules: chain.rules.map((rule, index) => {
      const text = saved.rules[index];
      return text === undefined || !isOpaqueRule(rule) ? rule : translateRule(text, reading);
    }),
  };
}

/** Behind the name of a table of iptables-legacy; nft has none such. */
export const legacyMark = " (iptables-legacy)";

/** Linux, net/ipv4/netfilter/iptable_*.c and their twins of IPv6. */
const priorities: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  filter: 0,
  security: 50,
};
const hooks: Readonly<Record<string, BaseChain["hook"]>> = {
  PREROUTING: "prerouting",
  INPUT: "input",
  FORWARD: "forward",
  OUTPUT: "output",
  POSTROUTING: "postrouting",
};

function legacyTable({ name, chains }: SavedTable, reading: Reading): Table {
  const { family, sets } = reading;
  return {
    family: family === 4 ? "ip" : "ip6",
    name: `${name}${legacyMark}`,
    sets: definitionsOf(sets, family),
    chains: chains.map((chain) => legacyChain(chain, name, reading)),
  };
}

function legacyChain({ name, policy, rules }: SavedChain, table: string, reading: Reading): Chain {
  const hook = policy === undefined ? undefined : hooks[name];
  const translated = rules.map((rule) => translateRule(rule, reading));
  if (hook === undefined) return { name, rules: translated };
  const isSource = hook === "postrouting" || hook === "input";
  const natPriority = isSource ? 100 : -100;
  const base: BaseChain = {
    type: table === "nat" ? "nat" : "filter",
    hook,
    priority: priorities[table] ?? natPriority,
    policy: policy === "DROP" ? "drop" : "accept",
  };
  return { name, base, rules: translated };
}
