import { expect, test } from "vitest";
import type { Problem } from "../model/problem.ts";
import type { Decision } from "../reconcile/decide.ts";
import { describeDecision } from "./describe-decision.ts";

const problem = (code: string, message: string): Problem => {
  return { code, severity: "error", at: { file: "f", line: 1, column: 2 }, message };
};

const decision = (...problems: Problem[]): Decision => {
  return { problems, inForce: "current", keptGuests: [], keepsFilters: true, lacksFilters: false };
};

test("what is wrong with a filter is told before that it is not there", () => {
  const missing = problem("UNKNOWN_FILTER", "no filter");
  const cause = problem("FILTER_NOT_ENFORCEABLE", "no states");
  expect(describeDecision(decision(missing, cause)).event.message).toBe(
    "all filters stay as they were: f:1:2: no states (and 1 more)",
  );
  expect(describeDecision(decision(missing)).event.message).toBe(
    "all filters stay as they were: f:1:2: no filter",
  );
});
