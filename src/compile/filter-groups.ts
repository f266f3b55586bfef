import type { FilterParameters } from "../model/filter.ts";
import {
  type Condition,
  iteratorsOf,
  type Operand,
  variablesOf,
} from "../model/filter-conditions.ts";
import type { ExpandedRule } from "../model/filter-expansion.ts";
import { groupsWithLearned } from "../model/filter-learning.ts";
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

/** Names of variables that the binding gives. */
export type Supplied = (variable: string) => boolean;

/** A named set of what bindings give to a group's variables, one element a nic and value. */
export interface ValueSet {
  readonly name: string;
  readonly group: Group;
  readonly form: Pick<SetDefinition, "type" | "flags" | "keyLike">;
  /** Holds the nics with exactly one value, since libvirt makes a rule of each: of two, one always differs. */
  readonly isNegated: boolean;
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

export function needsBinding(group: Group, supplied: Supplied): boolean {
  return group.conditions.flatMap(variablesOf).some(({ name }) => supplied(name));
}

/** Undefined where the values cannot be elements, so that they stand in the rules. */
export function valueSetOf(group: Group, supplied: Supplied): ValueSet | undefined {
  const { conditions, protocol } = group;
  const fields = conditions.map(({ attribute }) => fieldOf(protocol, attribute, false));
  const types = fields.flatMap((field) => field?.setType ?? []);
  const isNegated = conditions.some((condition) => condition.isNegated);
  const hasMore = conditions.some(({ more }) => more !== undefined);
  const isMasked = hasMore && (types[0] === "ether_addr" || types[0] === "integer");
  if (types.length < fields.length || iteratorsOf(conditions).length > 1) return undefined;
  if (conditions.length > 1 && (isNegated || hasMore)) return undefined;
  if (isMasked) return undefined;
  // A variable that is asked for twice stands there twice: another order of fields is another set.
  const variables = conditions.flatMap(variablesOf).map(({ name }) => name);
  return {
    name: variableSet(variables, fields.flatMap(typeInName), detailOf(group, supplied, isNegated)),
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
  };
}

/** The kernel takes an integer of the set's own length only, so that each length has a set of its own. */
function typeInName(field: Field | undefined): string[] {
  if (field?.setType === undefined) return [];
  const { left, setType } = field;
  return [left.kind === "raw" ? `${setType}${left.length}` : setType];
}

/** Empty for one plain variable a field; otherwise all that the elements depend on beside the nic's own values. */
function detailOf({ conditions, given }: Group, supplied: Supplied, isNegated: boolean): string {
  const operands = conditions.flatMap((condition) =>
    [condition.value, condition.more?.value ?? []].flat(),
  );
  const isPlain = operands.every(
    (operand) =>
      operand.kind === "variable" && operand.element === undefined && supplied(operand.name),
  );
  if (isPlain && !isNegated && conditions.every(({ more }) => more === undefined)) return "";
  const texts = conditions.map((condition) => [
    operandText(condition.value, given, supplied),
    condition.more?.attribute.replace(/^(arp)?(src|dst)/, ""),
    condition.more && operandText(condition.more.value, given, supplied),
  ]);
  return JSON.stringify([isNegated, texts]);
}

function operandText(operand: Operand, given: FilterParameters, supplied: Supplied): unknown {
  if (operand.kind === "literal") return operand.text;
  const { name, element } = operand;
  return supplied(name) ? [name, element] : [given.get(name), element];
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
  const field = fieldFor(resolved.condition, protocol, false);
  return field === undefined ? value(resolved.value) : constantOf(field, resolved, protocol);
}

export function fieldFor(
  condition: Condition,
  protocol: string,
  isReversed: boolean,
): Field | undefined {
  return fieldOf(protocol, condition.attribute, isReversed);
}

/** The values of a group, of which `faultsOf` has found nothing wrong. */
export function tuplesIn(
  { conditions, protocol, given }: Group,
  parameters: FilterParameters,
): readonly (readonly Resolved[])[] {
  const found = tuplesOf(conditions, protocol, valuesOf(parameters, given));
  return isFault(found) ? [] : found;
}
