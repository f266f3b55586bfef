import { optionOf, type SavedChain, type SavedRule, type SavedTable } from "./save.ts";

/** The comment of every rule that virtwall hands to iptables, and of no other rule. */
const passRuleComment = "virtwall";

export type BuiltinChain = "INPUT" | "FORWARD" | "OUTPUT";

/** What decides whether a built-in chain needs a pass rule, and where. Positions count from 1, as iptables counts. */
export interface ChainFacts {
  readonly table: "filter" | "security";
  readonly chain: BuiltinChain;
  readonly policy: "ACCEPT" | "DROP";
  readonly mayDrop: boolean;
  readonly firstDrop?: { readonly position: number; readonly text: string };
  readonly guestFilters: number;
  readonly passPosition: number;
  readonly passRules: readonly PassRuleFact[];
}

export interface PassRuleFact {
  readonly position: number;
  readonly mark?: number;
  readonly text: string;
}

/**
 * The tables whose chains run after ours: `filter` at priority 0 and `security` at 50. What `raw` and `mangle` drop is gone
 * before we judge it.
 */
export function readChains(tables: readonly SavedTable[]): readonly ChainFacts[] {
  return tables.flatMap((table) =>
    table.name === "filter" || table.name === "security" ? chainsOf(table, table.name) : [],
  );
}

function chainsOf(table: SavedTable, name: "filter" | "security"): readonly ChainFacts[] {
  const users = new Map(table.chains.map((chain) => [chain.name, chain]));
  return table.chains.flatMap((chain) => {
    if (!isBuiltin(chain.name) || chain.policy === undefined) return [];
    return [{ table: name, ...factsOf(chain, chain.name, users) }];
  });
}

function isBuiltin(name: string): name is BuiltinChain {
  return name === "INPUT" || name === "FORWARD" || name === "OUTPUT";
}

function factsOf(
  chain: SavedChain,
  name: BuiltinChain,
  users: ReadonlyMap<string, SavedChain>,
): Omit<ChainFacts, "table"> {
  const passRules = chain.rules.flatMap((rule, index) => passRuleFact(rule, index + 1));
  const guestFilters = chain.rules.findLastIndex(isGuestFilterJump) + 1;
  const dropIndex = chain.rules.findIndex(
    (rule) => !isGuestFilterJump(rule) && ruleMayDrop(rule, users, new Set()),
  );
  const dropRule = chain.rules[dropIndex];
  const policy = chain.policy === "ACCEPT" ? "ACCEPT" : "DROP";
  const facts = {
    chain: name,
    policy,
    mayDrop: policy === "DROP" || dropRule !== undefined,
    guestFilters,
    passPosition:
      guestFilters - passRules.filter((rule) => rule.position < guestFilters).length + 1,
    passRules,
  } as const;
  return dropRule === undefined
    ? facts
    : { ...facts, firstDrop: { position: dropIndex + 1, text: dropRule.text } };
}

function passRuleFact(rule: SavedRule, position: number): readonly PassRuleFact[] {
  if (!isOurs(rule)) return [];
  const mark = markOf(rule);
  return [mark === undefined ? { position, text: rule.text } : { position, text: rule.text, mark }];
}

function isOurs(rule: SavedRule): boolean {
  return optionOf(rule, "--comment") === passRuleComment;
}

/** The mark of a rule that matches nothing else and accepts, whatever the order of its matches. */
function markOf(rule: SavedRule): number | undefined {
  const rest = rule.words
    .join(" ")
    .replace("-m comment --comment virtwall", "")
    .trim()
    .replaceAll(/\s+/g, " ");
  const match = /^-m mark --mark (0x[0-9a-f]+)\/(0x[0-9a-f]+) -j ACCEPT$/.exec(rest);
  return match && match[1] === match[2] ? Number(match[1]) : undefined;
}

/** libvirt's nwfilter driver keeps guest filters behind these jumps (nwfilter_ebiptables_driver.c); they are meant to drop. */
function isGuestFilterJump(rule: SavedRule): boolean {
  const target = targetOf(rule);
  return target !== undefined && /^libvirt-(in|out|in-post|host-in)$/.test(target);
}

function targetOf(rule: SavedRule): string | undefined {
  return optionOf(rule, "-j", "--jump", "-g", "--goto");
}

/** Targets of which no packet dies. What is not here may drop: NFQUEUE without a listener does, for one. */
const harmlessTargets: ReadonlySet<string> = new Set([
  "ACCEPT",
  "RETURN",
  "AUDIT",
  "CHECKSUM",
  "CLASSIFY",
  "CONNMARK",
  "CONNSECMARK",
  "CT",
  "DSCP",
  "ECN",
  "HL",
  "LED",
  "LOG",
  "MARK",
  "NFLOG",
  "NOTRACK",
  "SECMARK",
  "SET",
  "TCPMSS",
  "TOS",
  "TRACE",
  "TTL",
]);

function ruleMayDrop(
  rule: SavedRule,
  users: ReadonlyMap<string, SavedChain>,
  seen: Set<string>,
): boolean {
  const target = targetOf(rule);
  if (target === undefined || harmlessTargets.has(target)) return false;
  const chain = users.get(target);
  if (chain === undefined) return true;
  if (seen.has(target)) return false;
  seen.add(target);
  return chain.rules.some((inner) => ruleMayDrop(inner, users, seen));
}

/** Text for `iptables-restore --noflush`: in each chain the present copies go, by their own text, and one pass rule comes. */
export function printPassRules(chains: readonly ChainFacts[], mark: number): string {
  const bits = `0x${mark.toString(16)}`;
  return printTables(
    chains.map((chain) => ({
      table: chain.table,
      lines: [
        ...chain.passRules.map((rule) => `-D ${chain.chain} ${rule.text}`),
        `-I ${chain.chain} ${chain.passPosition} -m mark --mark ${bits}/${bits} -m comment --comment ${passRuleComment} -j ACCEPT`,
      ],
    })),
  );
}

/** What an admin types to have the same, for a host on which virtwall only tells. */
export function passRuleArguments(chain: ChainFacts, mark: number): string {
  const bits = `0x${mark.toString(16)}`;
  const table = chain.table === "filter" ? "" : `-t ${chain.table} `;
  return `${table}-I ${chain.chain} ${chain.passPosition} -m mark --mark ${bits}/${bits} -m comment --comment ${passRuleComment} -j ACCEPT`;
}

/** Text that removes every rule with our comment, or the empty string where there is none. */
export function printRemoval(tables: readonly SavedTable[]): {
  readonly script: string;
  readonly count: number;
} {
  const removals = tables.map((table) => ({
    table: table.name,
    lines: table.chains.flatMap((chain) =>
      chain.rules.filter(isOurs).map((rule) => `-D ${chain.name} ${rule.text}`),
    ),
  }));
  return {
    script: printTables(removals),
    count: removals.reduce((count, { lines }) => count + lines.length, 0),
  };
}

function printTables(
  parts: readonly { readonly table: string; readonly lines: readonly string[] }[],
): string {
  return [...new Set(parts.map((part) => part.table))]
    .map((table) => {
      const lines = parts.filter((part) => part.table === table).flatMap((part) => part.lines);
      return lines.length === 0 ? "" : `*${table}\n${lines.join("\n")}\nCOMMIT\n`;
    })
    .join("");
}
