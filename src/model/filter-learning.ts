import { parseAttributeValue } from "./attribute-value.ts";
import { remembered, rememberedByText } from "../base/remembered.ts";
import type { FilterParameters } from "./filter.ts";
import { type Condition, groupsOf } from "./filter-conditions.ts";
import type { Expansion, ExpandedRule } from "./filter-expansion.ts";

/**
 * Where a binding says no addresses they are learned: with `any` from what the guest sends first, or is given by DHCP, with `dhcp` from
 * DHCP alone. libvirt's words, and its `any` where nothing is said. Undefined: not at all.
 */
export type LearningMode = "any" | "dhcp";

export function learningMode(parameters: FilterParameters): LearningMode | undefined {
  const [word = "any"] = parameters.get("CTRL_IP_LEARNING") ?? [];
  const mode = word.toLowerCase();
  return mode === "any" || mode === "dhcp" ? mode : undefined;
}

/** A parameter that says how addresses are learned, with a value that it cannot have. */
export interface LearningFault {
  readonly variable: "CTRL_IP_LEARNING" | "DHCPSERVER";
  readonly value: string;
}

/** DHCPSERVER may mean anything where nothing is learned. */
export function learningFault(
  rules: readonly ExpandedRule[],
  parameters: FilterParameters,
): LearningFault | undefined {
  const modes = parameters.get("CTRL_IP_LEARNING") ?? ["any"];
  const isMode = modes.length === 1 && /^(any|dhcp|none)$/i.test(modes[0] ?? "");
  if (!isMode) return { variable: "CTRL_IP_LEARNING", value: modes.join(", ") };
  const servers = parameters.get("DHCPSERVER") ?? [];
  const wrong = servers.find((text) => parseAttributeValue({ kind: "ipv4" }, text) === undefined);
  if (wrong === undefined) return undefined;
  const learns = rules.some((rule) =>
    groupsWithLearned(rule, parameters).some((group) => group.isLearned),
  );
  return learns ? { variable: "DHCPSERVER", value: wrong } : undefined;
}

/** The condition compares one whole address with those that are learned. */
export function isLearned(
  { value, more, attribute }: Condition,
  given: FilterParameters,
  parameters: FilterParameters,
): boolean {
  if (value.kind !== "variable" || value.element !== undefined || more !== undefined) return false;
  if (value.name !== "IP" && value.name !== "IPV6") return false;
  if (parameters.has(value.name) || given.has(value.name)) return false;
  return learningMode(parameters) !== undefined && attribute.endsWith("ipaddr");
}

/** Conditions that belong together; one of a learned address stands alone. */
export function groupsWithLearned(
  { rule, given }: ExpandedRule,
  parameters: FilterParameters,
): { readonly conditions: readonly Condition[]; readonly isLearned: boolean }[] {
  return groupsOf(rule).flatMap((group) => {
    const learned = group.filter((condition) => isLearned(condition, given, parameters));
    const rest = group.filter((condition) => !learned.includes(condition));
    return [
      ...(rest.length > 0 ? [{ conditions: rest, isLearned: false }] : []),
      ...learned.map((condition) => ({ conditions: [condition], isLearned: true })),
    ];
  });
}

/**
 * The same function, which answers from memory. For functions that ask which variables a binding gives and how addresses are learned,
 * but not for the values: a thousand nics with a filter mostly differ in these alone.
 */
export function rememberedByNames<Value>(
  make: (expansion: Expansion, parameters: FilterParameters) => Value,
): (expansion: Expansion, parameters: FilterParameters) => Value {
  const makeOf = remembered((expansion: Expansion) =>
    rememberedByText(namesText, (parameters: FilterParameters) => make(expansion, parameters)),
  );
  return (expansion, parameters) => makeOf(expansion)(parameters);
}

function namesText(parameters: FilterParameters): string {
  return JSON.stringify([[...parameters.keys()].toSorted(), learningMode(parameters)]);
}
