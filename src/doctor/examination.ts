import type { MendingStep } from "../ports/mender.ts";
import type { FactName, Facts } from "./facts.ts";

/** One way in which a host breaks guests' traffic. */
export interface Examination<Name extends FactName = FactName> {
  /** Stable, in words: scripts and `docs/doctor.md` name it. */
  readonly id: string;
  /** What it looks at. */
  readonly needs: readonly Name[];
  examine(facts: Pick<Facts, Name>): readonly Finding[] | Skipped;
}

/** Something about the host that breaks guests' traffic (`error`), or will or may (`warning`). */
export interface Finding {
  readonly severity: "error" | "warning";
  readonly message: string;
  /** Files, rules, settings, versions, as they were seen. */
  readonly evidence: readonly string[];
  readonly fix: Fix;
}

export interface Fix {
  /** What to type, or what to write where. */
  readonly text: string;
  /** The same for a machine; absent where only a person can tell whether it does harm. */
  readonly steps?: readonly MendingStep[];
}

/** There is nothing to look at, and why. */
export interface Skipped {
  readonly reason: string;
}

export function isSkipped(result: readonly Finding[] | Skipped): result is Skipped {
  return "reason" in result;
}
