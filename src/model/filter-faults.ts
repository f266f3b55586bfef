import { quote } from "../base/quote.ts";
import { rememberedWhile } from "../base/remembered.ts";
import type { FilterMatch, FilterParameters, FilterReference } from "./filter.ts";
import type { FilterBinding, FilterWorld } from "./filter-binding.ts";
import { type Condition, variablesOf } from "./filter-conditions.ts";
import { expandFilter, type ExpandedRule } from "./filter-expansion.ts";
import {
  groupsWithLearned,
  learningFault,
  type LearningFault,
  rememberedByNames,
} from "./filter-learning.ts";
import { mayFallApart, rulesMade } from "./filter-lists.ts";
import { countsConnections, needsState } from "./packet-rule.ts";
import { type Fault, isFault, mostCombinations, tuplesOf, valuesOf } from "./filter-values.ts";
import type { Place } from "./problem.ts";

/** Why a binding cannot be enforced. */
export type BindingFault =
  | { readonly kind: "unknown-filter" }
  | { readonly kind: "broken-reference"; readonly reference: FilterReference }
  | { readonly kind: "too-long" }
  | ({ readonly kind: "unsupported"; readonly rule: ExpandedRule } & Unenforceable)
  | ({ readonly kind: "learning" } & LearningFault)
  | { readonly kind: "values"; readonly fault: Fault; readonly rule: ExpandedRule };

/** Why no table can hold a rule, whoever is bound to its filter. */
export interface Unenforceable {
  readonly reason: string;
  readonly hint: string;
  /** The attribute that is to blame. */
  readonly at: Place;
}

/** Empty where the binding can be enforced; a nic whose binding cannot passes nothing. */
export function faultsOf(world: FilterWorld, binding: FilterBinding): readonly BindingFault[] {
  return faultsIn(binding, world);
}

const faultsIn = rememberedWhile(
  (_binding: FilterBinding, { filters, bridgeTracking, aliases }: FilterWorld) => [
    filters,
    bridgeTracking,
    aliases,
  ],
  findFaults,
);

function findFaults({ filter, parameters }: FilterBinding, world: FilterWorld): BindingFault[] {
  const { filters } = world;
  const expansion = expandFilter(filters, filter);
  if (expansion === undefined) return [{ kind: "unknown-filter" }];
  if (expansion.isTooLong) return [{ kind: "too-long" }];
  const learning = learningFault(expansion.rules, parameters);
  return [
    ...expansion.rules.flatMap((rule) =>
      unenforceable(rule, world).map((why) => ({ kind: "unsupported", rule, ...why }) as const),
    ),
    ...(learning === undefined ? [] : [{ kind: "learning", ...learning } as const]),
    ...expansion.broken.map((reference) => ({ kind: "broken-reference", reference }) as const),
    ...(demandsOf(expansion, parameters).some((demand) => faultOf(demand, parameters))
      ? expansion.rules.flatMap((rule) => valueFaults(rule, parameters))
      : []),
    ...manifoldRules(expansion, parameters).flatMap((rule) => {
      const count = rulesMade(rule, parameters);
      if (count <= mostCombinations) return [];
      return [{ kind: "values", fault: tooMany(rule, count), rule } as const];
    }),
  ];
}

/** Conditions of a rule that ask for values together. */
interface Demand {
  readonly conditions: readonly Condition[];
  readonly protocol: string;
  readonly given: FilterParameters;
}

/** What a binding can fail in, each demand once however many rules make it. Those that it has no part in are sound. */
const demandsOf = rememberedByNames((expansion, parameters) => {
  const demands = new Map<string, Demand>();
  for (const demand of expansion.rules.flatMap((rule) => ruleDemands(rule, parameters))) {
    const asked = demand.conditions.map(({ attribute, value, more }) => [attribute, value, more]);
    demands.set(JSON.stringify([demand.protocol, asked, [...demand.given]]), demand);
  }
  const isBound = ({ conditions }: Demand) =>
    conditions.flatMap(variablesOf).some(({ name }) => parameters.has(name));
  return [...demands.values()].filter(
    (demand) => isBound(demand) || faultOf(demand, parameters) !== undefined,
  );
});

/** Those that fall apart into several by the values of their variables, or may. */
const manifoldRules = rememberedByNames((expansion, parameters) =>
  expansion.rules.filter((rule) => mayFallApart(rule, parameters)),
);

function tooMany({ rule: { at, matches } }: ExpandedRule, count: number): Fault {
  const first = matches.find(({ value }) => value.kind === "variable");
  return { kind: "too-many", count, attribute: first?.attribute ?? "", at: first?.at ?? at };
}

function ruleDemands(expanded: ExpandedRule, parameters: FilterParameters): Demand[] {
  const { rule, given } = expanded;
  return groupsWithLearned(expanded, parameters)
    .filter(({ isLearned }) => !isLearned)
    .map(({ conditions }) => ({ conditions, protocol: rule.protocol ?? "mac", given }));
}

function faultOf(
  { conditions, protocol, given }: Demand,
  parameters: FilterParameters,
): Fault | undefined {
  const found = tuplesOf(conditions, protocol, valuesOf(parameters, given));
  return isFault(found) ? found : undefined;
}

function valueFaults(rule: ExpandedRule, parameters: FilterParameters): BindingFault[] {
  return ruleDemands(rule, parameters).flatMap((demand) => {
    const fault = faultOf(demand, parameters);
    return fault === undefined ? [] : [{ kind: "values", fault, rule }];
  });
}

/** What the tables have no form for. */
const inexpressible: Readonly<Record<string, Omit<Unenforceable, "at">>> = {
  gratuitous: {
    reason: "'gratuitous' compares two fields of a frame",
    hint: "name one of the two addresses, without a mask: arpsrcipaddr='$IP'",
  },
};

/** What cannot be enforced of a rule, whatever its variables hold. */
export function unenforceable(
  rule: ExpandedRule,
  { bridgeTracking, aliases }: Pick<FilterWorld, "bridgeTracking" | "aliases">,
): Unenforceable[] {
  const { matches, at } = rule.rule;
  const placeOf = (name: string) => matches.find(({ attribute }) => attribute === name)?.at ?? at;
  const faults = matches.flatMap((match) => {
    const why = matchFault(match, aliases);
    return why === undefined ? [] : [{ ...why, at: match.at }];
  });
  if (bridgeTracking !== "connections" && countsConnections(rule.rule)) {
    const reason = "'connlimit-above' needs a kernel that tracks connections on bridges";
    const hint = "load the module nf_conntrack_bridge (Linux 5.3 or newer)";
    return [...faults, { reason, hint, at: placeOf("connlimit-above") }];
  }
  if (bridgeTracking !== "none" || !needsState(rule)) return faults;
  return [
    ...faults,
    {
      reason: "it needs the state of connections, and nothing tracks them on this host's bridges",
      hint: "load the module nf_conntrack_bridge, or set net.bridge.bridge-nf-call-iptables and net.bridge.bridge-nf-call-ip6tables to 1",
      at: placeOf("state"),
    },
  ];
}

function matchFault(
  { attribute, value }: FilterMatch,
  aliases: FilterWorld["aliases"],
): Omit<Unenforceable, "at"> | undefined {
  switch (attribute) {
    case "state":
      if (value.kind === "literal") return undefined;
      return { reason: "'state' must be written out", hint: "write the states: state='NEW'" };
    case "ipset":
      return setFault(value, aliases);
    case "ipsetflags":
      if (value.kind === "literal" && !value.text.includes(",")) return undefined;
      return {
        reason: "an alias holds addresses alone, no pairs of them and no ports",
        hint: "write ipsetflags='src' or ipsetflags='dst'",
      };
    default:
      return inexpressible[attribute];
  }
}

/** Sets of the kernel's that others fill are none of ours: policy's alias of the name stands for the set. */
function setFault(
  value: FilterMatch["value"],
  aliases: FilterWorld["aliases"],
): Omit<Unenforceable, "at"> | undefined {
  if (value.kind === "variable") {
    return { reason: "'ipset' must be written out", hint: "write the name: ipset='NAME'" };
  }
  if (aliases.has(value.text)) return undefined;
  return {
    reason: `nftables reads no ipsets, and policy has no alias ${quote(value.text)} in place of it`,
    hint: `give policy the addresses: aliases: { ${value.text}: [...] }`,
  };
}
