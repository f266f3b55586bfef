import type { FilterReference } from "./filter.ts";
import type { BridgeTracking, FilterBinding } from "./filter-binding.ts";
import { expandFilter, type ExpandedRule, type Filters } from "./filter-expansion.ts";
import { groupsWithLearned, learningFault, type LearningFault } from "./filter-learning.ts";
import { needsState } from "./packet-rule.ts";
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
  | ({ readonly kind: "learning" } & LearningFault)
  | { readonly kind: "values"; readonly fault: Fault; readonly rule: ExpandedRule };

/** What there is to enforce bindings with. */
export interface FilterWorld {
  readonly filters: Filters;
  readonly bridgeTracking: BridgeTracking;
}

/** Empty where the binding can be enforced; a nic whose binding cannot passes nothing. */
export function faultsOf(world: FilterWorld, binding: FilterBinding): readonly BindingFault[] {
  const known = memory.get(binding);
  if (known?.filters === world.filters && known.bridgeTracking === world.bridgeTracking) {
    return known.faults;
  }
  const faults = findFaults(world, binding);
  memory.set(binding, { ...world, faults });
  return faults;
}

const memory = new WeakMap<
  FilterBinding,
  FilterWorld & { readonly faults: readonly BindingFault[] }
>();

function findFaults(
  { filters, bridgeTracking }: FilterWorld,
  binding: FilterBinding,
): BindingFault[] {
  const expansion = expandFilter(filters, binding.filter);
  if (expansion === undefined) return [{ kind: "unknown-filter" }];
  if (expansion.isTooLong) return [{ kind: "too-long" }];
  const learning = learningFault(expansion.rules, binding.parameters);
  return [
    ...expansion.rules.flatMap((rule) => unsupported(rule, bridgeTracking)),
    ...(learning === undefined ? [] : [{ kind: "learning", ...learning } as const]),
    ...expansion.broken.map((reference) => ({ kind: "broken-reference", reference }) as const),
    ...expansion.rules.flatMap((rule) =>
      ruleFaults(rule, binding).map((fault) => ({ kind: "values", fault, rule }) as const),
    ),
  ];
}

function ruleFaults(expanded: ExpandedRule, { parameters }: FilterBinding): Fault[] {
  const { rule, given } = expanded;
  const values = valuesOf(parameters, given);
  return groupsWithLearned(expanded, parameters).flatMap(({ conditions, isLearned }) => {
    if (isLearned) return [];
    const found = tuplesOf(conditions, rule.protocol ?? "mac", values);
    return isFault(found) ? [found] : [];
  });
}

/** What the tables have no form for. */
const inexpressible: Readonly<Record<string, string>> = {
  gratuitous: "'gratuitous' compares two fields of a frame",
  option: "'option' asks for an option of TCP",
  ipset: "nftables reads no ipsets",
  "connlimit-above": "the kernel counts no connections on bridges",
};

function unsupported(rule: ExpandedRule, bridgeTracking: BridgeTracking): BindingFault[] {
  const reasons = rule.rule.matches.flatMap(({ attribute, value }) => {
    if (attribute === "state" && value.kind === "variable") return "'state' must be written out";
    return inexpressible[attribute] ?? [];
  });
  const faults = reasons.map((reason) => ({ kind: "unsupported", rule, reason }) as const);
  if (bridgeTracking !== "none" || !needsState(rule)) return faults;
  return [
    ...faults,
    {
      kind: "unsupported",
      rule,
      reason: "it needs the state of connections, and nothing tracks them on this host's bridges",
      hint: "load the module nf_conntrack_bridge, or set net.bridge.bridge-nf-call-iptables and net.bridge.bridge-nf-call-ip6tables to 1",
    },
  ];
}
