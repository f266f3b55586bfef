import { tableName } from "../compile/names.ts";
import type { Table } from "../nft/ast.ts";
import { describeDiff } from "../nft/describe-diff.ts";
import { diffTables } from "../nft/diff.ts";
import { printRuleset } from "../nft/print.ts";

export interface TablePlan {
  /** One transaction in nft's language; empty when nothing differs. */
  readonly script: string;
  /** The same for people, one change a line. */
  readonly changes: readonly string[];
}

/** The way from what the kernel holds to what it is to hold. */
export function planTables(actual: readonly Table[], desired: readonly Table[]): TablePlan {
  const script = diffTables(actual, desired);
  // A gate makes its tables before anything is in them; for people that is no table yet.
  const filled = actual.filter((table) => table.sets.length + table.chains.length > 0);
  return { script, changes: script === "" ? [] : describeDiff(filled, desired) };
}

/** The ruleset in nft's listing form. */
export function printTables(tables: readonly Table[]): string {
  return printRuleset(tables);
}

/** Whether a table of this name can only be ours. */
export function isOwnTable(table: Pick<Table, "family" | "name">): boolean {
  return table.name === tableName && (table.family === "inet" || table.family === "bridge");
}
