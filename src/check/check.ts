import { remembered } from "../base/remembered.ts";
import { effectivePolicy } from "../model/effective-policy.ts";
import { capProblems, sortProblems } from "../model/problem-list.ts";
import { laws, policyLaws } from "./laws.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Policy } from "../model/policy.ts";
import type { Problem } from "../model/problem.ts";

/** Every breach of every law, in order of place. What guests' own XML says of them counts as policy. */
export function check(policy: Policy, inventory: Inventory): Problem[] {
  const { policy: whole, problems: conflicts } = effectivePolicy(policy, inventory.guests);
  const problems = [
    ...conflicts,
    ...checkPolicy(whole),
    ...laws.flatMap((law) => law(whole, inventory)),
  ];
  return capProblems(sortProblems(problems, [policy.host.at.file]));
}

/** Remembered: what runs changes more often than what was written. */
const checkPolicy = remembered((policy: Policy) => policyLaws.flatMap((law) => law(policy)));
