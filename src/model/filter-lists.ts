import type { FilterParameters } from "./filter.ts";
import { type Condition, iteratorsOf, variablesOf } from "./filter-conditions.ts";
import type { ExpandedRule } from "./filter-expansion.ts";
import { groupsWithLearned } from "./filter-learning.ts";
import { filterProtocols } from "./filter-protocols.ts";
import { isFault, tuplesOf, valuesOf } from "./filter-values.ts";

/**
 * The values that bindings give to conditions which belong together are looked up in one list of all nics, however many they are. Where
 * that cannot be, each step is a rule of its own.
 */
export function isLookedUp(conditions: readonly Condition[], protocol: string): boolean {
  if (!conditions.every(({ attribute }) => isListable(attribute))) return false;
  if (iteratorsOf(conditions).length > 1) return false;
  const hasMore = conditions.some(({ more }) => more !== undefined);
  if (conditions.length > 1) return !hasMore && !conditions.some(({ isNegated }) => isNegated);
  return !hasMore || !conditions.some(({ attribute }) => isMaskedBitwise(attribute, protocol));
}

/** MAC and IP addresses, ports, and the protocol of IP. */
function isListable(attribute: string): boolean {
  return attribute === "protocol" || /^(arp)?(src|dst)(mac|ip|port)/.test(attribute);
}

/** Its masks make no ranges: those of MAC addresses, and of RARP, of which nothing knows that there are addresses in it. */
function isMaskedBitwise(attribute: string, protocol: string): boolean {
  const type = filterProtocols.get(protocol)?.attributes.get(attribute);
  return type?.kind === "mac" || (protocol === "rarp" && attribute.startsWith("arp"));
}

/** The values of a lone condition are alternatives within one rule. */
export function areAlternatives(conditions: readonly Condition[], protocol: string): boolean {
  const [only, ...others] = conditions;
  if (only === undefined || others.length > 0) return false;
  if (only.isNegated || only.more !== undefined || only.attribute === "connlimit-above")
    return false;
  // Each kind of option is asked for by itself, and IPv4's class by a mask.
  if (only.attribute === "option") return false;
  return only.attribute !== "dscp" || protocol.endsWith("-ipv6");
}

/** Which conditions of a rule are neither looked up nor alternatives, so that each of their values makes rules of its own. */
function manifold(expanded: ExpandedRule, parameters: FilterParameters) {
  const protocol = expanded.rule.protocol ?? "mac";
  const isGiven = (conditions: readonly Condition[]) =>
    conditions.flatMap(variablesOf).some(({ name }) => parameters.has(name));
  return groupsWithLearned(expanded, parameters)
    .filter(({ isLearned }) => !isLearned)
    .map(({ conditions }) => conditions)
    .filter(
      (conditions) =>
        iteratorsOf(conditions).length > 0 &&
        !areAlternatives(conditions, protocol) &&
        !(isGiven(conditions) && isLookedUp(conditions, protocol)),
    );
}

export function mayFallApart(expanded: ExpandedRule, parameters: FilterParameters): boolean {
  return manifold(expanded, parameters).length > 0;
}

/** Into how many one rule falls apart by what a binding gives; a rule with a fault in its values into none. */
export function rulesMade(expanded: ExpandedRule, parameters: FilterParameters): number {
  const values = valuesOf(parameters, expanded.given);
  return manifold(expanded, parameters).reduce((product, conditions) => {
    const found = tuplesOf(conditions, expanded.rule.protocol ?? "mac", values);
    return isFault(found) ? 0 : product * found.length;
  }, 1);
}
