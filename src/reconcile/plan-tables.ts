import type { Table } from "../nft/ast.ts";
import { describeDiff } from "../nft/describe-diff.ts";
import { diffTables } from "../nft/diff.ts";

export interface TablePlan {
  /** One transaction in nft's language; empty when nothing differs. */
  readonly script: string;
  /** The same for people, one change a line. */
  readonly changes: readonly string[];
}

/** The way from what the kernel holds to what it is to hold. */
export function planTables(actual: readonly Table[], desired: readonly Table[]): TablePlan {
  const script = diffTables(actual, desired);
  return { script, changes: script === "" ? [] : describeDiff(actual, desired) };
}
