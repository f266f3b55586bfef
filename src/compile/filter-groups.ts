import type { FilterParameters } from "../model/filter.ts";
import { type Condition, type Operand, variablesOf } from "../model/filter-conditions.ts";
import type { ExpandedRule } from "../model/filter-expansion.ts";
import { groupsWithLearned } from "../model/filter-learning.ts";
import { isLookedUp } from "../model/filter-lists.ts";
import { isFault, type Resolved, tuplesOf, valuesOf } from "../model/filter-values.ts";
import type { Element, Expression, SetDefinition } from "../nft/ast.ts";
import { concat, iifname, value } from "../nft/build.ts";
import { expressionOf, intervalOf, mergeIntervals } from "../nft/interval.ts";
import { constantOf, type Field, fieldOf } from "./filter-fields.ts";
import { variableSet } from "./names.ts";

/** Conditions of a rule that belong together, with the rule. */
export interface Group {
  readonly conditions: readonly Condition[];
  readonly protocol: string;
  readonly given: FilterParameters;
  /** Its one condition is about an address that is learned. */
  readonly isLearned: boolean;
}

/** A named set of what bindings give to a group's variables, one element a nic and value. */
export interface ValueSet {
  readonly name: string;
  readonly group: Group;
  readonly form: Pick<SetDefinition, "type" | "flags" | "keyLike">;
  /** Holds the nics with exactly one value, since libvirt makes a rule of each: of two, one always differs. */
  readonly isNegated: boolean;
  /** All that its elements depend on beside the nic's own values. Sets of one name ask the same. */
  readonly asks: string;
}

/** `without` names attributes that are left out. */
export function groupsIn(
  expanded: ExpandedRule,
  parameters: FilterParameters,
  without: readonly string[] = [],
): Group[] {
  const protocol = expanded.rule.protocol ?? "mac";
  return groupsWithLearned(expanded, parameters)
    .map(({ conditions, isLearned }) => ({
      conditions: conditions.filter(({ attribute }) => !without.includes(attribute)),
      isLearned,
    }))
    .filter(({ conditions }) => conditions.length > 0)
    .map((group) => ({ ...group, protocol, given: expanded.given }));
}

/** Some of its variables are the binding's to give. */
export function needsBinding({ conditions }: Group, parameters: FilterParameters): boolean {
  return conditions.flatMap(variablesOf).some(({ name }) => parameters.has(name));
}

/** Undefined where the values cannot be elements, so that they stand in the rules. */
export function valueSetOf(group: Group, parameters: FilterParameters): ValueSet | undefined {
  const { conditions, protocol } = group;
  const fields = conditions.map(({ attribute }) => fieldOf(protocol, attribute, false));
  const types = fields.flatMap((field) => field?.setType ?? []);
  if (types.length < fields.length || !isLookedUp(conditions, protocol)) return undefined;
  const isNegated = conditions.some((condition) => condition.isNegated);
  const hasMore = conditions.some(({ more }) => more !== undefined);
  const typesInName = fields.flatMap(typeInName);
  const asked = JSON.stringify([isNegated, askedOf(group, parameters)]);
  // A variable that is asked for twice stands there twice: another order of fields is another set.
  const variables = conditions.flatMap(variablesOf).map(({ name }) => name);
  return {
    name: variableSet(
      variables,
      typesInName,
      isNegated || !isPlain(group, parameters) ? asked : "",
    ),
    group,
    form: {
      type: ["ifname", ...types],
      flags: hasMore ? ["interval"] : [],
      // Integers have no length but that of what they are like.
      ...(types.includes("integer") && {
        keyLike: concat(iifname, ...fields.flatMap((field) => field?.left ?? [])),
      }),
    },
    isNegated,
    asks: JSON.stringify([typesInName, hasMore, asked]),
  };
}

/** One name for sets that hold something else would judge nics by what others are given. */
export function noteSet(sets: Map<string, ValueSet>, set: ValueSet): void {
  const before = sets.get(set.name) ?? set;
  if (before.asks !== set.asks) {
    throw new Error(`two sets ${set.name}: ${before.asks} and ${set.asks}`);
  }
  sets.set(set.name, set);
}

/** The kernel takes an integer of the set's own length only, so that each length has a set of its own. */
function typeInName(field: Field | undefined): string[] {
  if (field?.setType === undefined) return [];
  const { left, setType } = field;
  return [left.kind === "raw" ? `${setType}${left.length}` : setType];
}

/** One plain variable a field. */
function isPlain({ conditions }: Group, parameters: FilterParameters): boolean {
  return conditions.every(
    ({ value: operand, more }) =>
      more === undefined &&
      operand.kind === "variable" &&
      operand.element === undefined &&
      parameters.has(operand.name),
  );
}

function askedOf({ conditions, given }: Group, parameters: FilterParameters): unknown {
  return conditions.map((condition) => [
    operandText(condition.value, given, parameters),
    condition.more?.attribute.replace(/^(arp)?(src|dst)/, ""),
    condition.more && operandText(condition.more.value, given, parameters),
  ]);
}

function operandText(
  operand: Operand,
  given: FilterParameters,
  parameters: FilterParameters,
): unknown {
  if (operand.kind === "literal") return operand.text;
  const { name, element } = operand;
  return parameters.has(name) ? [name, element] : [given.get(name), element];
}

/** What one nic puts into the set. */
export function elementsOf(set: ValueSet, tap: string, parameters: FilterParameters): Element[] {
  const tuples = tuplesIn(set.group, parameters);
  if (set.isNegated && tuples.length !== 1) return [];
  const keys = tuples.map((tuple) => tuple.map((resolved) => partOf(resolved, set.group)));
  const isInterval = set.form.flags.includes("interval");
  return (isInterval ? merged(keys) : keys).map((parts) => ({ key: concat(value(tap), ...parts) }));
}

/** The kernel takes no interval that overlaps another. */
function merged(keys: readonly (readonly Expression[])[]): (readonly Expression[])[] {
  const intervals = keys.flatMap(([only]) => (only === undefined ? [] : (intervalOf(only) ?? [])));
  return mergeIntervals(intervals).map((interval) => [expressionOf(interval)]);
}

function partOf(resolved: Resolved, { protocol }: Group): Expression {
  const field = fieldOf(protocol, resolved.condition.attribute, false);
  return field === undefined ? value(resolved.value) : constantOf(field, resolved, protocol);
}

/** The values of a group, of which `faultsOf` has found nothing wrong. */
export function tuplesIn(
  { conditions, protocol, given }: Group,
  parameters: FilterParameters,
): readonly (readonly Resolved[])[] {
  const found = tuplesOf(conditions, protocol, valuesOf(parameters, given));
  if (isFault(found)) throw new Error(`values that are at fault: ${JSON.stringify(found)}`);
  return found;
}
