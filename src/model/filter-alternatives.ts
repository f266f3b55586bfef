import { remembered } from "../base/remembered.ts";
import type { FilterMatch, FilterRule } from "./filter.ts";
import { completedBy } from "./filter-protocols.ts";

/** The rules that together match what the rule does, each of conditions that are independent of each other. */
export const alternativesOf = remembered((rule: FilterRule): readonly FilterRule[] =>
  withoutCode(withBothAddresses(rule)),
);

const ends = ["arpsrcipaddr", "arpdstipaddr"] as const;

/** ARP is gratuitous if sender and target have one address: that of a rule which names one of the two. */
function withBothAddresses(rule: FilterRule): FilterRule {
  const { matches } = rule;
  const gratuitous = matches.find(({ attribute }) => attribute === "gratuitous");
  const [named, ...more] = matches.filter(({ attribute }) => ends.some((end) => end === attribute));
  const isWhole = !matches.some(({ attribute }) => completedBy.get(attribute) === named?.attribute);
  if (gratuitous === undefined || named === undefined || more.length > 0) return rule;
  if (gratuitous.isNegated || named.isNegated || !isWhole) return rule;
  const others = matches.filter((match) => match !== gratuitous && match !== named);
  return { ...rule, matches: [...others, ...ends.map((attribute) => ({ ...named, attribute }))] };
}

/** ICMP's type and code are one condition, so that not both of them is either another type, or that type with another code. */
function withoutCode(rule: FilterRule): readonly FilterRule[] {
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
}

function isCode({ attribute }: FilterMatch): boolean {
  return attribute === "code" || attribute === "codeend";
}
