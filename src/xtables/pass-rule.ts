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
  readonly makers: readonly Maker[];
  readonly handPass?: number;
}

/** Programs that keep chains of their own in iptables' tables. */
export type Maker = "ufw" | "docker" | "libvirt";

/** By the beginning of their chains' names. */
const makersOf: readonly (readonly [beginning: RegExp, maker: Maker])[] = [
  [/^ufw6?-/, "ufw"],
  [/^DOCKER/, "docker"],
  [/^(LIBVIRT_|libvirt-)/, "libvirt"],
];

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
  const targets = chain.rules.map((rule) => targetOf(rule) ?? "");
  const makers = makersOf.filter(([beginning]) => targets.some((name) => beginning.test(name)));
  const handPass = passOfHand(chain, guestFilters, users);
  const facts = {
    chain: name,
    policy,
    mayDrop: policy === "DROP" || dropRule !== undefined,
    guestFilters,
    passPosition:
      guestFilters - passRules.filter((rule) => rule.position < guestFilters).length + 1,
    passRules,
    makers: makers.map(([, maker]) => maker),
    ...(handPass !== undefined && { handPass }),
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

/** The mark that the admin's own rule accepts: in the chain itself, or where all its packets go, ahead of whatever drops. */
function passOfHand(
  chain: SavedChain,
  after: number,
  users: ReadonlyMap<string, SavedChain>,
): number | undefined {
  for (const rule of chain.rules.slice(after)) {
    const mark = isOurs(rule) ? undefined : markOf(rule);
    if (mark !== undefined) return mark;
    const [option = "", target = "", ...conditions] = rule.words;
    const inner = option === "-j" && conditions.length === 0 ? users.get(target) : undefined;
    // Without itself among the chains no loop, which the kernel refuses anyway, goes on for ever.
    const others = new Map([...users].filter(([name]) => name !== target));
    const passed = inner && passOfHand(inner, 0, others);
    if (passed !== undefined) return passed;
    const mayMiss = optionOf(rule, "-g") !== undefined || targetOf(rule) === "RETURN";
    if (mayMiss || ruleMayDrop(rule, users, new Set())) return undefined;
  }
  return undefined;
}

function isOurs(rule: SavedRule): boolean {
  return optionOf(rule, "--comment") === passRuleComment;
}

/** The mark of a rule that matches nothing else and accepts, whatever the order of its matches. */
function markOf(rule: SavedRule): number | undefined {
  const rest = rule.words
    .join(" ")
    .replace(/-m comment --comment \S+/, "")
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

/**
 * What an admin does to have the same, for a host on which virtwall only tells: where a program renews its chains, in the place that
 * the program keeps for its admin (ufw-framework(8); docs.docker.com, "Packet filtering and firewalls").
 */
export function passRuleAdvice(
  command: string,
  chain: Pick<ChainFacts, "table" | "chain" | "passPosition" | "makers">,
  mark: number,
): string {
  const bits = `0x${mark.toString(16)}`;
  const rule = `-m mark --mark ${bits}/${bits}`;
  const is6 = command.startsWith("ip6");
  if (chain.table === "filter" && chain.makers.includes("ufw")) {
    const own = `ufw${is6 ? "6" : ""}-before-${chain.chain.toLowerCase()}`;
    return `-I ${own} ${rule} -j ACCEPT in /etc/ufw/before${is6 ? "6" : ""}.rules, ahead of COMMIT; then ufw reload`;
  }
  if (chain.chain === "FORWARD" && chain.makers.includes("docker")) {
    return `${command} -I DOCKER-USER ${rule} -j ACCEPT`;
  }
  const table = chain.table === "filter" ? "" : `-t ${chain.table} `;
  return `${command} ${table}-I ${chain.chain} ${chain.passPosition} ${rule} -m comment --comment ${passRuleComment} -j ACCEPT`;
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
