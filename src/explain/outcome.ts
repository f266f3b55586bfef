import type { Statement, Verdict } from "../nft/ast.ts";
import type { State } from "./state.ts";

/**
 * How a rule ended: `next`, all of it matched and the next rule's turn is; `break`, it did not match. What an interrupted rule
 * changed before stays changed.
 */
export type RuleEnd =
  "next" | "break" | "unknown" | Verdict | Extract<Statement, { kind: "reject" }>;

export interface Outcome {
  readonly state: State;
  readonly end: RuleEnd;
}
