import { capProblems, sortProblems } from "../model/problem-list.ts";
import { laws } from "./laws.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Policy } from "../model/policy.ts";
import type { Problem } from "../model/problem.ts";

/** Every breach of every law, in order of place. */
export function check(policy: Policy, inventory: Inventory): Problem[] {
  const problems = laws.flatMap((law) => law(policy, inventory));
  return capProblems(sortProblems(problems, [policy.host.at.file]));
}
