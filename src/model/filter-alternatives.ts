import { remembered } from "../base/remembered.ts";
import type { FilterMatch, FilterRule } from "./filter.ts";

/**
 * The rules that together match what the rule does, each of conditions that are independent of each other. ICMP's type and code are
 * one condition, so that not both of them is either another type, or that type with another code.
 */
export const alternativesOf = remembered((rule: FilterRule): readonly FilterRule[] => {
  const type = rule.matches.find(({ attribute }) => attribute === "type");
  if (rule.protocol === "stp" || type?.isNegated !== true) return [rule];
  if (!rule.matches.some(isCode)) return [rule];
  const otherCode = rule.matches.map((match): FilterMatch => {
    if (match === type) return { ...type, isNegated: false };
    return match.attribute === "code" ? { ...match, isNegated: true } : match;
  });
  return [
    { ...rule, matches: rule.matches.filter((match) => !isCode(match)) },
    { ...rule, matches: otherCode },
  ];
});

function isCode({ attribute }: FilterMatch): boolean {
  return attribute === "code" || attribute === "codeend";
}
