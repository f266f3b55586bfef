/** What `iptables-save` prints of one table. */
export interface SavedTable {
  readonly name: string;
  readonly chains: readonly SavedChain[];
}

export interface SavedChain {
  readonly name: string;
  /** Absent for chains that users made. */
  readonly policy?: string;
  readonly rules: readonly SavedRule[];
}

export interface SavedRule {
  /** As printed, less `-A CHAIN` and counters. */
  readonly text: string;
  /** The same in words, quotes taken away. */
  readonly words: readonly string[];
}

/**
 * Tables that iptables-nft cannot express are not printed at all but named in a comment (`# Table ... is incompatible`, 1.8.9),
 * so they are missing from the answer: iptables does not manage them.
 */
export function readSave(text: string): readonly SavedTable[] {
  const tables: { name: string; chains: Map<string, WritableChain> }[] = [];
  for (const line of text.split("\n")) {
    const current = tables.at(-1);
    if (line.startsWith("*")) tables.push({ name: line.slice(1).trim(), chains: new Map() });
    else if (current === undefined) continue;
    else if (line.startsWith(":")) declareChain(current.chains, line);
    else addRule(current.chains, line);
  }
  return tables.map(({ name, chains }) => ({ name, chains: [...chains.values()] }));
}

/** The tables that it names in such a comment. */
export function readUnlisted(text: string): readonly string[] {
  return [...text.matchAll(/^# Table `(\w+)' is incompatible/gm)].map(([, name = ""]) => name);
}

interface WritableChain {
  name: string;
  policy?: string;
  rules: SavedRule[];
}

function declareChain(chains: Map<string, WritableChain>, line: string): void {
  const [name = "", policy = "-"] = line.slice(1).split(" ");
  chains.set(name, policy === "-" ? { name, rules: [] } : { name, policy, rules: [] });
}

function addRule(chains: Map<string, WritableChain>, line: string): void {
  const match = /^(?:\[\d+:\d+\] )?-A (\S+) ?(.*)$/.exec(line);
  if (!match) return;
  const [, chain = "", text = ""] = match;
  chains.get(chain)?.rules.push({ text, words: splitWords(text) });
}

/** iptables-save quotes words with spaces and writes `\"` and `\\` inside quotes (xtables_save_string). */
export function splitWords(text: string): readonly string[] {
  const words = text.match(/"(?:\\.|[^"\\])*"|\S+/g) ?? [];
  return words.map((word) =>
    word.startsWith('"') ? word.slice(1, -1).replaceAll(/\\(.)/g, "$1") : word,
  );
}

/** The value that follows one of the given options. */
export function optionOf(rule: SavedRule, ...options: readonly string[]): string | undefined {
  const index = rule.words.findIndex((word) => options.includes(word));
  return index < 0 ? undefined : rule.words[index + 1];
}
