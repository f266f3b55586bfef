import { placeText } from "../model/problem-text.ts";
import type { Decision } from "../reconcile/decide.ts";
import type { DaemonEvent } from "../wire/daemon-protocol.ts";

interface DecisionEvent {
  /** The same as long as there is nothing new to tell. */
  readonly key: string;
  readonly event: {
    readonly level: DaemonEvent["level"];
    readonly name: string;
    readonly message: string;
  };
}

/** What the journal says of a decision. */
export function describeDecision(decision: Decision): DecisionEvent {
  const errors = decision.problems.filter((problem) => problem.severity === "error");
  const key = JSON.stringify([decision.inForce, decision.keepsFilters, errors]);
  // That a filter is not there may only follow from what is wrong with it.
  const first = errors.find(({ code }) => code !== "UNKNOWN_FILTER") ?? errors[0];
  if (!first) {
    const message = "policy and inventory have no errors";
    return { key, event: { level: "info", name: "policy-taken", message } };
  }
  const place = `${placeText(first.at)}: ${first.message}`;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  const [name, before] = wordsOf(decision);
  return { key, event: { level: "error", name, message: `${before}${place}${more}` } };
}

function wordsOf({
  inForce,
  keepsFilters,
  lacksFilters,
}: Decision): readonly [name: string, before: string] {
  switch (inForce) {
    case "current":
      if (keepsFilters) return ["filters-refused", "all filters stay as they were: "];
      return lacksFilters
        ? ["filters-refused", "only the nics that need it pass nothing: "]
        : ["guest-refused", ""];
    case "last-good":
      return ["policy-refused", "the last good one stays: "];
    case "none":
      return ["policy-refused", "nothing is applied: "];
  }
}
