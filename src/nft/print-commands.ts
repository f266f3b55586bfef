import type { Chain, Table } from "./ast.ts";
import { normalise } from "./normalise.ts";
import { printBase } from "./print.ts";
import { printRule } from "./print-statement.ts";
import { printName } from "./text.ts";

/** Commands for an nft that reads line by line. */
export interface OwnedTableCommands {
  /** The table and all of it but the rules of its base chains: it sees packets, and does nothing with them. */
  readonly make: readonly string[];
  /** The rules of its base chains. */
  readonly enter: readonly string[];
}

/**
 * Makes a table without sets that goes with the process which makes it (`flags owner`, Linux 5.12). Chains that others jump to stand
 * before them.
 */
export function printOwnedTable(table: Table): OwnedTableCommands {
  const { family, name, chains } = normalise(table);
  const place = `${family} ${printName(name)}`;
  const rulesOf = (chain: Chain): string[] =>
    chain.rules.map((rule) => `add rule ${place} ${printName(chain.name)} ${printRule(rule)}`);
  const baseOf = ({ base }: Chain): string =>
    base === undefined ? "" : ` { ${printBase(family, base)} }`;
  return {
    make: [
      `add table ${place} { flags owner; }`,
      ...chains.map((chain) => `add chain ${place} ${printName(chain.name)}${baseOf(chain)}`),
      ...chains.filter(({ base }) => base === undefined).flatMap(rulesOf),
    ],
    enter: chains.filter(({ base }) => base !== undefined).flatMap(rulesOf),
  };
}
