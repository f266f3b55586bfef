import { tableName } from "../compile/names.ts";
import { passRuleComment, passRuleText } from "../nft/pass-rule.ts";
import {
  scanRulesetFile,
  type BlockHead,
  type ScannedChain,
  type ScannedFile,
} from "./integrate-scan.ts";

export interface IntegrationPlan {
  /** The file with our line in every chain that needs it, each exactly once. */
  readonly text: string;
  /** The file without any line of ours. */
  readonly bare: string;
  readonly chains: readonly IntegratedChain[];
  /** Files that this one includes; they are not looked into. */
  readonly includes: readonly string[];
  /** The file holds a table of virtwall, as a saved `nft list ruleset` does: it cannot load while the table is owned. */
  readonly holdsOwnTable: boolean;
}

/**
 * - `added`: our line is new there. `present`: it was there already.
 * - `not needed`: nothing in the chain drops.
 * - `before ours`: it drops before virtwall has judged the packet, so a line would not help.
 */
export interface IntegratedChain {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly hook: string;
  readonly state: "added" | "present" | "not needed" | "before ours";
}

/** Where nft lets a rule stand decides its form, so `withoutOurLines(planIntegration(text).text)` is `text` again. */
export function planIntegration(text: string, mark: number): IntegrationPlan {
  const bare = withoutOurLines(text);
  const scanned = scanRulesetFile(bare);
  const before = new Set(
    scanRulesetFile(text)
      .chains.filter((chain) => hasPassRule(chain, mark))
      .map(keyOf),
  );
  const judged = scanned.chains.flatMap((chain) => judge(chain, scanned, mark));
  const needy = judged.flatMap(({ chain, isNeeded }) => (isNeeded ? [chain] : []));
  return {
    text: insertLines(bare, needy, mark),
    bare,
    chains: judged.map(({ chain, base, state }) => ({
      family: chain.family,
      table: chain.table,
      chain: chain.name,
      hook: base.hook,
      state: state === "added" && before.has(keyOf(chain)) ? "present" : state,
    })),
    includes: scanned.includes,
    holdsOwnTable: scanned.chains.some(isOwn),
  };
}

const line = String.raw`meta mark & (0x[0-9a-f]{8}) == \1 accept comment "${passRuleComment}"`;
const ownForms = [
  new RegExp(String.raw`\n[ \t]*(?:insert rule \S+ \S+ \S+ )?${line}(?=\r?\n|$)`, "g"),
  new RegExp(String.raw`; ${line}(?=\s*(?:\}|$))`, "g"),
  new RegExp(String.raw` ${line};`, "g"),
];

/** Takes away the lines that we write, in every form in which we write them and with whatever mark. */
export function withoutOurLines(text: string): string {
  return ownForms.reduce((rest, form) => rest.replaceAll(form, ""), text);
}

function insertLines(text: string, chains: readonly ScannedChain[], mark: number): string {
  const rule = passRuleText(mark);
  const inserts = chains.flatMap((chain) => {
    const head = chain.base?.head;
    return head === undefined ? [] : [{ at: head.offset, text: headForm(head, rule) }];
  });
  const appended = chains.flatMap((chain) =>
    chain.base?.head === undefined
      ? [`\ninsert rule ${chain.family} ${chain.table} ${chain.name} ${rule}`]
      : [],
  );
  const end = text.endsWith("\n") ? text.length - 1 : text.length;
  const edits = [...inserts, { at: end, text: appended.join("") }].sort((a, b) => a.at - b.at);
  let result = "";
  let from = 0;
  for (const edit of edits) {
    result += text.slice(from, edit.at) + edit.text;
    from = edit.at;
  }
  return result + text.slice(from);
}

function headForm(head: BlockHead, rule: string): string {
  if (head.kind === "line") return `\n${head.indent}${rule}`;
  return head.kind === "inline" ? ` ${rule};` : `; ${rule}`;
}

interface Judged {
  readonly chain: ScannedChain;
  readonly base: NonNullable<ScannedChain["base"]>;
  readonly isNeeded: boolean;
  readonly state: IntegratedChain["state"];
}

function judge(chain: ScannedChain, file: ScannedFile, mark: number): readonly Judged[] {
  const { base } = chain;
  if (base?.type !== "filter" || ["arp", "netdev"].includes(chain.family)) return [];
  if (isOwn(chain)) return [];
  const said = (state: IntegratedChain["state"], isNeeded = false) => [
    { chain, base, state, isNeeded },
  ];
  if (!chainMayDrop(chain, file)) return said("not needed");
  if (!runsAfterOurs(chain.family, base)) return said("before ours");
  return hasPassRule(chain, mark) ? said("present") : said("added", true);
}

function runsAfterOurs(
  family: string,
  base: { readonly hook: string; readonly priority: string },
): boolean {
  if (base.hook === "postrouting") return true;
  if (family === "bridge" && base.hook === "input") return false;
  if (!["input", "forward", "output"].includes(base.hook)) return false;
  const filter = family === "bridge" ? -200 : 0;
  const priority = priorityOf(base.priority, family);
  return priority === undefined || priority > filter - 5;
}

const priorities: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
};
const bridgePriorities: Readonly<Record<string, number>> = {
  dstnat: -300,
  filter: -200,
  out: 100,
  srcnat: 300,
};

/** Undefined for what nft may understand and we do not: a pass rule too many harms nobody. */
function priorityOf(text: string, family: string): number | undefined {
  const match = /^(?:([a-z]+)\s*)?(?:([+-]?)\s*(\d+))?$/.exec(text.trim());
  if (!match || text.trim() === "") return undefined;
  const [, name, sign, digits] = match;
  const start =
    name === undefined ? 0 : (family === "bridge" ? bridgePriorities : priorities)[name];
  const offset = digits === undefined ? 0 : Number(digits);
  return start === undefined ? undefined : start + (sign === "-" ? -offset : offset);
}

function chainMayDrop(chain: ScannedChain, file: ScannedFile): boolean {
  return chain.base?.policy !== "accept" || rulesMayDrop(chain, file, new Set());
}

function rulesMayDrop(chain: ScannedChain, file: ScannedFile, seen: Set<string>): boolean {
  if (seen.has(keyOf(chain))) return false;
  seen.add(keyOf(chain));
  const follow = (name: string | undefined): boolean => {
    const target = file.chains.find(
      (other) => other.name === name && tableOf(other) === tableOf(chain),
    );
    return target === undefined || rulesMayDrop(target, file, seen);
  };
  return chain.rules.some(({ words }) =>
    words.some((word, i) => {
      if (word === "vmap") return words[i + 1]?.startsWith("@") === true;
      if (word === "jump" || word === "goto") return follow(words[i + 1]);
      return isFinalDrop(word);
    }),
  );
}

/** An `include` inside a chain may bring anything. */
function isFinalDrop(word: string): boolean {
  return ["drop", "reject", "queue", "include"].includes(word);
}

/** One that an admin wrote in his own words counts as well, unless a rule ahead of it may keep packets from it. */
function hasPassRule(chain: ScannedChain, mark: number): boolean {
  const bits = `0x${mark.toString(16).padStart(8, "0")}`;
  const at = chain.rules.findIndex(
    (rule) =>
      rule.comment === passRuleComment &&
      rule.words.includes(bits) &&
      rule.words.includes("accept"),
  );
  const ahead = chain.rules.slice(0, Math.max(at, 0)).flatMap((rule) => rule.words);
  return (
    at >= 0 && !ahead.some((word) => isFinalDrop(word) || ["jump", "goto", "vmap"].includes(word))
  );
}

function isOwn(chain: ScannedChain): boolean {
  return chain.table === tableName && ["inet", "bridge"].includes(chain.family);
}

function tableOf(chain: ScannedChain): string {
  return `${chain.family} ${chain.table}`;
}

function keyOf(chain: ScannedChain): string {
  return `${tableOf(chain)} ${chain.name}`;
}
