import type { NamedRule } from "./named-rule.ts";

/** Who wrote a rule, and where it stands in a file. */
export interface Origin {
  readonly owner: string;
  readonly file?: string;
  readonly line?: number;
}

interface RuleFile {
  readonly file: string;
  readonly text: string;
}

/** A rule's place in the files that firewalls are loaded from, where one holds it word by word. */
export function originOf(rule: NamedRule, files: readonly RuleFile[]): Origin {
  const { owner } = rule;
  for (const { file, text } of files) {
    const line = text.includes("table ") ? findNft(rule, text) : findSaved(rule, text);
    if (line > 0) return { owner, file, line };
  }
  return { owner };
}

/** `-A INPUT -p tcp ... -j DROP` of iptables-save, and `:INPUT DROP [0:0]`; 0 where there is none. */
function findSaved({ table, chain, number, text }: NamedRule, saved: string): number {
  const lines = saved.split("\n");
  const isOfTable = lines.some((line) => line === `*${table.split(" ")[0] ?? ""}`);
  if (!isOfTable) return 0;
  return (
    lines.findIndex((line) =>
      number === undefined
        ? line.startsWith(`:${chain} DROP`)
        : text !== undefined && line.trim() === `-A ${chain} ${text}`,
    ) + 1
  );
}

/** The rule within its chain's braces, or the line that gives its policy. */
function findNft({ family, table, chain, number, text }: NamedRule, source: string): number {
  const wanted = number === undefined ? /policy drop\b/ : undefined;
  let inside = "";
  for (const [index, raw] of source.split("\n").entries()) {
    const line = raw.replace(/#.*/, "").trim();
    const opened = /^(table|chain) (.*?) *\{/.exec(line);
    if (opened?.[1] === "table") inside = opened[2] ?? "";
    if (opened?.[1] === "chain") inside = `${tableOf(inside)}/${opened[2] ?? ""}`;
    if (inside !== `${family} ${table}/${chain}`) continue;
    const isIt =
      wanted === undefined ? text !== undefined && plain(line) === plain(text) : wanted.test(line);
    if (isIt) return index + 1;
  }
  return 0;
}

/** A table without a family is of `ip`. */
function tableOf(inside: string): string {
  const name = inside.split("/")[0] ?? "";
  return name.includes(" ") ? name : `ip ${name}`;
}

/** Less what nft lists otherwise than it was written. */
function plain(text: string): string {
  return text
    .replaceAll(/\bcounter\b|["{};]|comment .*$/g, " ")
    .replaceAll(/\s*,\s*/g, ",")
    .replaceAll(/\s+/g, " ")
    .trim();
}
