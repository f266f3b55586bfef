import { isTraceTable } from "../compile/names.ts";
import type { TableFamily } from "../nft/ast.ts";
import {
  canBeNamed,
  deleteRule,
  insertPassRule,
  passRuleComment,
  type ChainAddress,
} from "../nft/pass-rule.ts";
import { tableMakerOf } from "../nft/table-maker.ts";
import type { ForeignChain, ForeignTable } from "../ports/kernel.ts";
import type { XtablesChain } from "../ports/xtables.ts";
import { passRuleAdvice } from "../xtables/pass-rule.ts";

export interface PassRuleInput {
  readonly foreign: readonly ForeignTable[];
  /** `undefined`: iptables could not be asked, so what looks like its tables is left alone. */
  readonly xtables: readonly XtablesChain[] | undefined;
  /** One bit. */
  readonly mark: number;
  readonly integration: "auto" | "print" | "off";
  /** Tables (by {@link tableKey}) that the kernel refused to us, since they belong to another process. */
  readonly owned?: { has(table: string): boolean };
}

export interface PassRulePlan {
  /** One transaction for all tables; empty where nothing is to be done. Made of handles of this very listing: use it at once. */
  readonly nftScript: string;
  /** The same, a table each, for when the kernel refuses the whole. */
  readonly tables: readonly {
    readonly family: TableFamily;
    readonly name: string;
    readonly script: string;
  }[];
  /** Chains for {@link Xtables.putPassRules}. */
  readonly xtables: readonly XtablesChain[];
  readonly report: readonly PassRuleReport[];
}

/**
 * - `passed`: marked packets get through.
 * - `needed`: they do not, yet; `line` is what to type where virtwall only tells.
 * - `not needed`: nothing in the chain drops.
 * - `before ours`: the chain drops before we have judged the packet, so no pass rule can help.
 * - `owned`: another process holds the table and nobody else can change it.
 * - `left alone`: guest filters of libvirt, which are meant to drop, and tables that other tools' programs manage.
 */
export type PassRuleState =
  "passed" | "needed" | "not needed" | "before ours" | "owned" | "left alone";

export interface PassRuleReport {
  /** For firewalld `table` is the zone and `chain` the bridge in it. */
  readonly by: "nft" | "firewalld" | XtablesChain["command"];
  readonly family: TableFamily;
  readonly table: string;
  readonly chain: string;
  /** Whose chain it is: several programs may keep rules in one of iptables'. */
  readonly firewalls: readonly FirewallName[];
  readonly state: PassRuleState;
  /** What may drop, or why nothing can be done. */
  readonly reason?: string;
  readonly line?: string;
}

/** A firewall as people call it; `nftables` and the names of iptables where no program is known that wrote the rules. */
export type FirewallName =
  | "ufw"
  | "docker"
  | "libvirt"
  | "firewalld"
  | "nftables"
  | "iptables"
  | "iptables-legacy"
  | "ebtables";

export function tableKey(table: { readonly family: TableFamily; readonly name: string }): string {
  return `${table.family} ${table.name}`;
}

/** Every foreign chain that may drop a packet we allowed gets one pass rule ahead of whatever drops, and no chain gets two. */
export function planPassRules(input: PassRuleInput): PassRulePlan {
  if (input.integration === "off") return { nftScript: "", tables: [], xtables: [], report: [] };
  const native = input.foreign
    .filter((table) => table.family !== "arp")
    .map((table) => ({ table, chains: table.chains.map((chain) => judge(input, table, chain)) }));
  const iptables = (input.xtables ?? []).map((chain) => judgeXtables(chain, input.mark));
  const report = [
    ...native.flatMap(({ chains }) => chains.flatMap((chain) => chain.report)),
    ...iptables.map((chain) => chain.report),
  ];
  if (input.integration === "print") return { nftScript: "", tables: [], xtables: [], report };
  const tables = native.flatMap(({ table, chains }) => {
    const script = chains.flatMap((chain) => chain.commands).join("\n");
    return script === "" ? [] : [{ family: table.family, name: table.name, script: `${script}\n` }];
  });
  return {
    nftScript: tables.map(({ script }) => script).join(""),
    tables,
    xtables: iptables.flatMap(({ fix }) => (fix === undefined ? [] : [fix])),
    report: report.map(withoutLine),
  };
}

/** Deletes every native rule with our comment. Those in iptables' tables go through {@link Xtables.removePassRules}. */
export function planPassRuleRemoval(
  foreign: readonly ForeignTable[],
  xtables: readonly XtablesChain[],
): Pick<PassRulePlan, "nftScript" | "tables"> {
  const tables = foreign.flatMap((table) => {
    const script = table.chains
      .filter((chain) => !isManagedByXtables(table, chain, xtables))
      .flatMap((chain) => deletions(addressOf(table, chain), chain.rules.filter(isOurs)))
      .join("\n");
    return script === "" ? [] : [{ family: table.family, name: table.name, script: `${script}\n` }];
  });
  return { nftScript: tables.map(({ script }) => script).join(""), tables };
}

/** Whether a table can only be iptables' or ip6tables' by name and by the spelling of its chains. */
export function looksLikeXtables(table: ForeignTable): boolean {
  return table.chains.some((chain) => hasXtablesShape(table, chain));
}

interface Judgement {
  readonly report: readonly PassRuleReport[];
  readonly commands: readonly string[];
}

function judge(input: PassRuleInput, table: ForeignTable, chain: ForeignChain): Judgement {
  const at = addressOf(table, chain);
  const need = needOf(chain, input.mark);
  const said = (state: PassRuleState, reason?: string, line?: string): PassRuleReport => ({
    by: "nft",
    ...at,
    firewalls: [ownerOf(table, chain)],
    state,
    ...(reason === undefined ? {} : { reason }),
    ...(line === undefined ? {} : { line }),
  });
  const isTracing = isTraceTable(table.name) && need.dropper === undefined;
  if (isTracing || isManagedByXtables(table, chain, input.xtables ?? [])) {
    return { report: [], commands: [] };
  }
  const obstacle = obstacleOf(input, table, chain);
  if (obstacle !== undefined) {
    const state = need.dropper === undefined ? "not needed" : obstacle.state;
    return {
      report: [need.dropper === undefined ? said(state) : said(state, obstacle.reason)],
      commands: [],
    };
  }
  const removals = deletions(at, need.extra);
  if (need.dropper === undefined) return { report: [said("not needed")], commands: removals };
  if (need.hasPass) return { report: [said("passed", need.dropper)], commands: removals };
  const insert = insertPassRule(at, input.mark);
  return {
    report: [said("needed", need.dropper, `nft '${insert}'`)],
    commands: [...removals, insert],
  };
}

/** What keeps us from putting a pass rule there, whether one is needed or not. */
function obstacleOf(
  input: PassRuleInput,
  table: ForeignTable,
  chain: ForeignChain,
): { readonly state: PassRuleState; readonly reason: string } | undefined {
  const at = addressOf(table, chain);
  if (table.owner !== undefined || input.owned?.has(tableKey(table)) === true) {
    const owner = table.owner ?? "another process";
    return {
      state: "owned",
      reason: `owned by ${owner}: nobody else can change it`,
    };
  }
  if (isGuestFilter(table)) return { state: "left alone", reason: "guest filters of libvirt" };
  if (!runsAfterOurs(table.family, chain)) {
    const reason = `${describeDrop(chain, input.mark)} at hook ${chain.hook}, priority ${chain.priority}, ahead of virtwall`;
    return { state: "before ours", reason };
  }
  const manager = managerOf(input, table, chain);
  if (manager !== undefined) return { state: "left alone", reason: `managed by ${manager}` };
  if (!canBeNamed(at)) return { state: "left alone", reason: "its name cannot be written in nft" };
  return undefined;
}

/** The program through which alone the chain may be changed, and through which we cannot. */
function managerOf(
  input: PassRuleInput,
  table: ForeignTable,
  chain: ForeignChain,
): string | undefined {
  if (!hasXtablesShape(table, chain)) return undefined;
  if (table.family === "bridge") return "ebtables";
  if (input.xtables === undefined) return "iptables, which could not be asked";
  return table.name === "filter" || table.name === "security" ? undefined : "iptables";
}

/**
 * Ours stand at `filter - 5`; nft's `filter` is 0, and -200 in the bridge family. Postrouting comes after forward and output. What a bridge
 * hands up to its host is judged there, after all chains of the bridge's input.
 */
function runsAfterOurs(family: TableFamily, chain: ForeignChain): boolean {
  if (chain.hook === "postrouting") return true;
  if (family === "bridge" && chain.hook === "input") return false;
  if (!["input", "forward", "output"].includes(chain.hook)) return false;
  return chain.priority > (family === "bridge" ? -205 : -5);
}

/** Tables of libvirt's nwfilter driver for nftables (12.8): dropping is what the operator wants of them. */
function isGuestFilter(table: ForeignTable): boolean {
  return table.family === "bridge" && table.name.startsWith("libvirt_nwfilter");
}

interface Need {
  /** What may drop; undefined where nothing does. */
  readonly dropper: string | undefined;
  /** A right pass rule stands ahead of everything that may drop. */
  readonly hasPass: boolean;
  /** Rules with our comment that are wrong, late or one too many. */
  readonly extra: readonly { readonly handle: number }[];
}

function needOf(chain: ForeignChain, mark: number): Need {
  const firstDrop = chain.rules.findIndex((rule) => rule.mayDrop && !isOurs(rule));
  const ahead = firstDrop < 0 ? chain.rules : chain.rules.slice(0, firstDrop);
  const keep = ahead.find((rule) => rule.passes === mark);
  return {
    dropper: firstDrop < 0 && chain.policy === "accept" ? undefined : describeDrop(chain, mark),
    hasPass: keep !== undefined,
    extra: chain.rules.filter((rule) => isOurs(rule) && rule !== keep),
  };
}

function describeDrop(chain: ForeignChain, mark: number): string {
  const rule = chain.rules.find(
    (candidate) => candidate.mayDrop && candidate.passes !== mark && !isOurs(candidate),
  );
  if (rule === undefined) return "policy drop";
  const name = rule.comment === undefined ? "" : ` (${rule.comment})`;
  const text = `rule with handle ${rule.handle}${name} may drop`;
  return chain.policy === "drop" ? `policy drop, ${text}` : text;
}

function isOurs(rule: { readonly comment?: string }): boolean {
  return rule.comment === passRuleComment;
}

function addressOf(table: ForeignTable, chain: ForeignChain): ChainAddress {
  return { family: table.family, table: table.name, chain: chain.name };
}

function deletions(
  at: ChainAddress,
  rules: readonly { readonly handle: number }[],
): readonly string[] {
  return canBeNamed(at) ? rules.map((rule) => deleteRule(at, rule.handle)) : [];
}

const xtablesTables: ReadonlySet<string> = new Set([
  "filter",
  "nat",
  "mangle",
  "raw",
  "security",
  "broute",
]);
const xtablesChains: ReadonlySet<string> = new Set([
  "PREROUTING",
  "INPUT",
  "FORWARD",
  "OUTPUT",
  "POSTROUTING",
  "BROUTING",
]);

function hasXtablesShape(table: ForeignTable, chain: ForeignChain): boolean {
  return (
    (table.family === "ip" || table.family === "ip6" || table.family === "bridge") &&
    xtablesTables.has(table.name) &&
    xtablesChains.has(chain.name)
  );
}

/**
 * iptables lists the chain, so it manages it. A chain of that shape which it does not list holds rules that it cannot express:
 * somebody wrote it with nft, and nft may change it.
 */
function isManagedByXtables(
  table: ForeignTable,
  chain: ForeignChain,
  xtables: readonly XtablesChain[],
): boolean {
  const command = table.family === "ip" ? "iptables" : "ip6tables";
  return (
    (table.family === "ip" || table.family === "ip6") &&
    xtables.some(
      (known) =>
        known.command === command && known.table === table.name && known.chain === chain.name,
    )
  );
}

function judgeXtables(
  chain: XtablesChain,
  mark: number,
): { readonly report: PassRuleReport; readonly fix?: XtablesChain } {
  const said = {
    by: chain.command,
    family: familyOf(chain),
    table: chain.table,
    firewalls: chain.makers.length > 0 ? chain.makers : [programOf(chain)],
  } as const;
  const report = (state: PassRuleState, extra: { reason?: string; line?: string } = {}) =>
    ({ ...said, chain: chain.chain, state, ...extra }) satisfies PassRuleReport;
  if (!chain.mayDrop) return { report: report("not needed") };
  const reason = describeXtablesDrop(chain);
  const firstDrop = chain.firstDrop?.position ?? Infinity;
  const isPassed = chain.passRules.some(
    (rule) => rule.mark === mark && rule.position > chain.guestFilters && rule.position < firstDrop,
  );
  const isByHand = chain.handPass === mark && chain.passRules.length === 0;
  if (isByHand || (isPassed && chain.passRules.length === 1)) {
    return { report: report("passed", { reason }) };
  }
  if (firstDrop <= chain.guestFilters) {
    const clash = `${reason}, ahead of libvirt's guest filters, which a pass rule must not bypass`;
    return { report: report("left alone", { reason: clash }) };
  }
  const line = passRuleAdvice(chain.command, chain, mark);
  return { report: report("needed", { reason, line }), fix: chain };
}

function describeXtablesDrop(chain: XtablesChain): string {
  const parts = [
    ...(chain.policy === "DROP" ? ["policy DROP"] : []),
    ...(chain.firstDrop === undefined ? [] : [`rule ${chain.firstDrop.text} may drop`]),
  ];
  return parts.join(", ");
}

function ownerOf(table: ForeignTable, chain: ForeignChain): FirewallName {
  const maker = tableMakerOf(table.name);
  if (maker !== undefined) return maker;
  if (!hasXtablesShape(table, chain)) return "nftables";
  return table.family === "bridge" ? "ebtables" : "iptables";
}

function programOf({ command }: XtablesChain): FirewallName {
  return command.endsWith("-legacy") ? "iptables-legacy" : "iptables";
}

function familyOf(chain: XtablesChain): "ip" | "ip6" {
  return chain.command.startsWith("ip6") ? "ip6" : "ip";
}

function withoutLine(report: PassRuleReport): PassRuleReport {
  const { line: _line, ...rest } = report;
  return rest;
}
