import { remembered } from "../base/remembered.ts";
import type { FilterLiteral, FilterRule, FilterVariable } from "./filter.ts";
import { completedBy } from "./filter-protocols.ts";
import type { Place } from "./problem.ts";

export type Operand = FilterVariable | FilterLiteral;

/** One thing that a rule asks of a packet: an attribute with the mask or the upper end that completes it. */
export interface Condition {
  /** The attribute that is completed: `srcipaddr`, `dstportstart`. */
  readonly attribute: string;
  readonly isNegated: boolean;
  readonly value: Operand;
  /** The attribute that completes it, and what that holds. */
  readonly more?: { readonly attribute: string; readonly value: Operand };
  readonly at: Place;
}

/** In the order of the rule. */
export const conditionsOf = remembered((rule: FilterRule): readonly Condition[] => {
  const completions = new Map(
    rule.matches.flatMap((match) => {
      const completed = completedBy.get(match.attribute);
      return completed === undefined ? [] : [[completed, match] as const];
    }),
  );
  return rule.matches
    .filter(({ attribute }) => !completedBy.has(attribute))
    .map(({ attribute, isNegated, value, at }) => {
      const more = completions.get(attribute);
      return {
        attribute,
        isNegated,
        value,
        ...(more && { more: { attribute: more.attribute, value: more.value } }),
        at,
      };
    });
});

export const variablesOf = remembered(({ value, more }: Condition): readonly FilterVariable[] =>
  [value, more?.value].flatMap((operand) => (operand?.kind === "variable" ? [operand] : [])),
);

/**
 * The conditions of a rule that must be looked at together, because an iterator of variables goes through them in step. A condition
 * without variables stands alone.
 */
export const groupsOf = remembered((rule: FilterRule): readonly (readonly Condition[])[] => {
  const groups: { iterators: Set<number>; conditions: Condition[] }[] = [];
  for (const condition of conditionsOf(rule)) {
    const iterators = new Set(iteratorsOf([condition]));
    const joined = groups.filter((group) => [...iterators].some((id) => group.iterators.has(id)));
    const [first, ...others] = joined;
    if (first === undefined) {
      groups.push({ iterators, conditions: [condition] });
      continue;
    }
    for (const ids of [iterators, ...others.map((other) => other.iterators)]) {
      for (const id of ids) first.iterators.add(id);
    }
    first.conditions.push(...others.flatMap((other) => other.conditions), condition);
    for (const other of others) groups.splice(groups.indexOf(other), 1);
  }
  return groups.map(({ conditions }) => conditions);
});

/** Each once, in the order of appearance; `$V[2]` has none. */
export const iteratorsOf = remembered((conditions: readonly Condition[]): readonly number[] => {
  const ids = conditions
    .flatMap(variablesOf)
    .flatMap(({ iterator, element }) => (element === undefined ? [iterator ?? 0] : []));
  return [...new Set(ids)];
});
