import { printPassRules, printRemoval, readChains } from "../xtables/pass-rule.ts";
import { readSave } from "../xtables/save.ts";
import { XtablesError, type Xtables, type XtablesChain, type XtablesCommand } from "./xtables.ts";

/** iptables as texts: each command's listing, changed by the same restore scripts that the real one takes. */
export class FakeXtables implements Xtables {
  /** What `iptables-save` would print. */
  readonly listings = new Map<XtablesCommand, string>();
  /** Every restore script taken, in order. */
  readonly scripts: string[] = [];
  /** Non-empty: every call fails with it. */
  refusal = "";

  async readLegacy(): Promise<readonly XtablesChain[]> {
    return (await this.read()).filter(({ command }) => command.endsWith("-legacy"));
  }

  read(): Promise<readonly XtablesChain[]> {
    return this.answer(() =>
      [...this.listings].flatMap(([command, text]) =>
        readChains(readSave(text)).map((chain) => ({ command, ...chain })),
      ),
    );
  }

  putPassRules(chains: readonly XtablesChain[], mark: number): Promise<void> {
    return this.answer(() => {
      for (const command of this.listings.keys()) {
        const own = chains.filter((chain) => chain.command === command);
        if (own.length > 0) this.restore(command, printPassRules(own, mark));
      }
    });
  }

  removePassRules(): Promise<number> {
    return this.answer(() => {
      let removed = 0;
      for (const [command, text] of this.listings) {
        const { script, count } = printRemoval(readSave(text));
        if (count > 0) this.restore(command, script);
        removed += count;
      }
      return removed;
    });
  }

  /** Whoever changes rules in a test tells of it. */
  watch(): () => void {
    return () => undefined;
  }

  private answer<T>(work: () => T): Promise<T> {
    if (this.refusal !== "") {
      return Promise.reject(new XtablesError(this.refusal, { command: "iptables-save" }));
    }
    return Promise.resolve(work());
  }

  private restore(command: XtablesCommand, script: string): void {
    this.scripts.push(script);
    let listing = this.listings.get(command) ?? "";
    let table = "";
    for (const line of script.split("\n")) {
      if (line.startsWith("*")) table = line;
      else if (line.startsWith("-")) listing = applyLine(listing, table, line);
    }
    this.listings.set(command, listing);
  }
}

function applyLine(listing: string, table: string, line: string): string {
  const [, verb, chain, rest = ""] = /^-([DI]) (\S+) (.*)$/.exec(line) ?? [];
  const lines = listing.split("\n");
  const start = lines.indexOf(table);
  const end = lines.indexOf("COMMIT", start);
  const rules = lines.flatMap((text, index) =>
    index > start && index < end && text.startsWith(`-A ${chain} `) ? [index] : [],
  );
  if (verb === "D") {
    const at = rules.find((index) => lines[index] === `-A ${chain} ${rest}`);
    if (at === undefined) throw new XtablesError("Bad rule", { command: "iptables-restore" });
    return lines.toSpliced(at, 1).join("\n");
  }
  const [, position = "1", text = ""] = /^(\d+) (.*)$/.exec(rest) ?? [];
  const at = rules[Number(position) - 1] ?? (rules.at(-1) ?? end - 1) + 1;
  return lines.toSpliced(at, 0, `-A ${chain} ${text}`).join("\n");
}
