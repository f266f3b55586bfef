import { optionOf, type SavedChain, type SavedRule, type SavedTable } from "./save.ts";

/** Rules that go, as texts for `iptables-restore --noflush`. */
export interface Removal {
  /** Empty where there is nothing to remove. */
  readonly script: string;
  /** Puts back what the script takes away, each rule at its place. */
  readonly undo: string;
  /** The rules that go, as `iptables-save` prints them. */
  readonly rules: readonly string[];
}

/** What goes. A chain of users' own goes with the jumps to it once all its rules go. */
export interface Selection {
  isRule(rule: SavedRule, at: { readonly table: string; readonly chain: string }): boolean;
  /** Chains that go empty too. */
  isChain(chain: string): boolean;
}

export function planRemoval(tables: readonly SavedTable[], selection: Selection): Removal {
  const parts = tables.map((table) => removeFrom(table, selection));
  return {
    script: parts.map(({ script }) => script).join(""),
    undo: parts.map(({ undo }) => undo).join(""),
    rules: parts.flatMap(({ rules }) => rules),
  };
}

/** The same script, where a chain has become shorter than the place of a rule: that goes to its end, which iptables would refuse. */
export function fitInsertions(script: string, tables: readonly SavedTable[]): string {
  const lengths = new Map(
    tables.flatMap(({ name, chains }) =>
      chains.map((chain): [string, number] => [`${name} ${chain.name}`, chain.rules.length]),
    ),
  );
  let table = "";
  const lines = script.split("\n").map((line) => {
    if (line.startsWith("*")) table = line.slice(1);
    const match = /^-I (\S+) (\d+) (.*)$/.exec(line);
    if (!match) return line;
    const [, chain = "", position = "", text = ""] = match;
    const length = lengths.get(`${table} ${chain}`) ?? 0;
    lengths.set(`${table} ${chain}`, length + 1);
    return `-I ${chain} ${Math.min(Number(position), length + 1)} ${text}`;
  });
  return lines.join("\n");
}

function removeFrom(table: SavedTable, selection: Selection): Removal {
  const isPicked = (chain: SavedChain, rule: SavedRule) =>
    selection.isRule(rule, { table: table.name, chain: chain.name });
  const going = goingChains(table, selection, isPicked);
  const goes = (chain: SavedChain, rule: SavedRule) =>
    isPicked(chain, rule) || going.has(targetOf(rule));
  const staying = table.chains.filter(({ name }) => !going.has(name));
  const single = staying.flatMap((chain) =>
    chain.rules.flatMap((rule, index) =>
      goes(chain, rule) ? [{ chain: chain.name, text: rule.text, position: index + 1 }] : [],
    ),
  );
  const gone = table.chains.filter(({ name }) => going.has(name));
  const inGone = gone.flatMap(({ name, rules }) => rules.map(({ text }) => `-A ${name} ${text}`));
  const script = [
    ...single.map(({ chain, text }) => `-D ${chain} ${text}`),
    ...gone.map(({ name }) => `-F ${name}`),
    ...gone.map(({ name }) => `-X ${name}`),
  ];
  const undo = [
    ...gone.map(({ name }) => `-N ${name}`),
    ...inGone,
    ...single.map(({ chain, text, position }) => `-I ${chain} ${position} ${text}`),
  ];
  return {
    script: printTable(table.name, script),
    undo: printTable(table.name, undo),
    rules: [...single.map(({ chain, text }) => `-A ${chain} ${text}`), ...inGone],
  };
}

/** A chain may go because those go to which it jumps. */
function goingChains(
  { chains }: SavedTable,
  { isChain }: Selection,
  isPicked: (chain: SavedChain, rule: SavedRule) => boolean,
): ReadonlySet<string | undefined> {
  const going = new Set<string | undefined>();
  const own = chains.filter(({ policy }) => policy === undefined);
  for (let before = -1; before < going.size;) {
    before = going.size;
    for (const chain of own) {
      const isEmptied = chain.rules.every(
        (rule) => isPicked(chain, rule) || going.has(targetOf(rule)),
      );
      if (isEmptied && (chain.rules.length > 0 || isChain(chain.name))) going.add(chain.name);
    }
  }
  return going;
}

function targetOf(rule: SavedRule): string | undefined {
  return optionOf(rule, "-j", "-g");
}

function printTable(name: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `*${name}\n${lines.join("\n")}\nCOMMIT\n`;
}
