import type { FilterReference } from "./filter.ts";
import type { FilterBinding } from "./filter-binding.ts";
import { groupsOf } from "./filter-conditions.ts";
import { expandFilter, type ExpandedRule, type Filters } from "./filter-expansion.ts";
import { filterProtocols } from "./filter-protocols.ts";
import { type Fault, isFault, tuplesOf, valuesOf } from "./filter-values.ts";

/** Why a binding cannot be enforced. */
export type BindingFault =
  | { readonly kind: "unknown-filter" }
  | { readonly kind: "broken-reference"; readonly reference: FilterReference }
  | { readonly kind: "too-long" }
  | {
      readonly kind: "unsupported";
      readonly rule: ExpandedRule;
      readonly reason: string;
      readonly hint?: string;
    }
  | { readonly kind: "values"; readonly fault: Fault; readonly rule: ExpandedRule };

/** Empty where the binding can be enforced; a nic whose binding cannot passes nothing. */
export function faultsOf(filters: Filters, binding: FilterBinding): BindingFault[] {
  const expansion = expandFilter(filters, binding.filter);
  if (expansion === undefined) return [{ kind: "unknown-filter" }];
  if (expansion.isTooLong) return [{ kind: "too-long" }];
  return [
    ...expansion.rules.flatMap(unsupported),
    ...expansion.broken.map((reference) => ({ kind: "broken-reference", reference }) as const),
    ...expansion.rules.flatMap((rule) =>
      ruleFaults(rule, binding).map((fault) => ({ kind: "values", fault, rule }) as const),
    ),
  ];
}

function ruleFaults({ rule, given }: ExpandedRule, { parameters }: FilterBinding): Fault[] {
  const values = valuesOf(parameters, given);
  return groupsOf(rule).flatMap((group) => {
    const found = tuplesOf(group, rule.protocol ?? "mac", values);
    return isFault(found) ? [found] : [];
  });
}

function unsupported(rule: ExpandedRule): BindingFault[] {
  const { protocol, matches } = rule.rule;
  if (protocol !== undefined && filterProtocols.get(protocol)?.layer === "ip") {
    return [{ kind: "unsupported", rule, reason: `<${protocol}> needs the state of connections` }];
  }
  return matches.some(({ attribute }) => attribute === "gratuitous")
    ? [{ kind: "unsupported", rule, reason: "'gratuitous' compares two fields of a frame" }]
    : [];
}
