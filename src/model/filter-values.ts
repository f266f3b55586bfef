import { toBits } from "../base/address.ts";
import { parseAttributeValue } from "./attribute-value.ts";
import type { FilterParameters, FilterVariable } from "./filter.ts";
import { type Condition, iteratorsOf, type Operand, variablesOf } from "./filter-conditions.ts";
import { filterProtocols } from "./filter-protocols.ts";
import type { Place } from "./problem.ts";

/** What the variables of a rule stand for: first who says it. */
export type Values = (name: string) => readonly string[] | undefined;

/** A condition with its values, in canonical text (see `parseAttributeValue`). */
export interface Resolved {
  readonly condition: Condition;
  readonly value: string;
  readonly more?: string;
}

/** Why the variables of a condition have no values that can be used. */
export interface Fault {
  readonly kind: "missing" | "unequal" | "no-element" | "bad-value" | "reversed" | "too-many";
  /** Absent where values that no variable gives are to blame, or several. */
  readonly variable?: FilterVariable;
  /** Of `bad-value`. */
  readonly text?: string;
  /** Of `too-many`. */
  readonly count?: number;
  readonly attribute: string;
  readonly at: Place;
}

/** What two parameters give to one variable: the first that has it wins. */
export function valuesOf(...parameters: readonly FilterParameters[]): Values {
  return (name) => parameters.find((each) => each.has(name))?.get(name);
}

/**
 * What a group of conditions asks for, once for each step of its iterators, without repetitions. Variables of one iterator advance
 * together and so must have equally many values; several iterators make every combination.
 */
export function tuplesOf(
  group: readonly Condition[],
  protocol: string,
  values: Values,
): readonly (readonly Resolved[])[] | Fault {
  const lengths = new Map<number, number>();
  for (const condition of group) {
    const fault = measure(condition, values, lengths);
    if (fault !== undefined) return fault;
  }
  const combinations = [...lengths.values()].reduce((product, length) => product * length, 1);
  const [first] = group;
  if (first !== undefined && lengths.size > 1 && combinations > mostCombinations) {
    return { kind: "too-many", count: combinations, attribute: first.attribute, at: first.at };
  }
  const tuples = new Map<string, readonly Resolved[]>();
  for (const step of stepsOf(iteratorsOf(group), lengths)) {
    const tuple: Resolved[] = [];
    for (const condition of group) {
      const resolved = resolve(condition, protocol, (operand) => textOf(operand, values, step));
      if ("kind" in resolved) return resolved;
      tuple.push(resolved);
    }
    const key = JSON.stringify(tuple.map(({ value, more }) => [value, more]));
    if (!tuples.has(key)) tuples.set(key, tuple);
  }
  return [...tuples.values()];
}

export function isFault(found: readonly (readonly Resolved[])[] | Fault): found is Fault {
  return "kind" in found;
}

/** Far more than anybody needs, and few enough for a rule each. */
export const mostCombinations = 1000;

function measure(
  condition: Condition,
  values: Values,
  lengths: Map<number, number>,
): Fault | undefined {
  const { attribute, at } = condition;
  for (const variable of variablesOf(condition)) {
    const given = values(variable.name);
    const fault = (kind: Fault["kind"]): Fault => ({ kind, variable, attribute, at });
    if (given === undefined || given.length === 0) return fault("missing");
    if (variable.element !== undefined) {
      if (variable.element >= given.length) return fault("no-element");
      continue;
    }
    const iterator = variable.iterator ?? 0;
    const length = lengths.get(iterator);
    if (length !== undefined && length !== given.length) return fault("unequal");
    lengths.set(iterator, given.length);
  }
  return undefined;
}

type Step = ReadonlyMap<number, number>;

function stepsOf(iterators: readonly number[], lengths: ReadonlyMap<number, number>): Step[] {
  return iterators.reduce<Step[]>(
    (steps, iterator) =>
      Array.from({ length: lengths.get(iterator) ?? 0 }, (_, index) => index).flatMap((index) =>
        steps.map((step) => new Map(step).set(iterator, index)),
      ),
    [new Map()],
  );
}

function textOf(operand: Operand, values: Values, step: Step): string {
  if (operand.kind === "literal") return operand.text;
  const index = operand.element ?? step.get(operand.iterator ?? 0) ?? 0;
  return values(operand.name)?.[index] ?? "";
}

function resolve(
  condition: Condition,
  protocol: string,
  read: (operand: Operand) => string,
): Resolved | Fault {
  const { attribute, more } = condition;
  const value = canonical(attribute, condition.value);
  if (typeof value !== "string") return value;
  if (more === undefined) return { condition, value };
  const second = canonical(more.attribute, more.value);
  if (typeof second !== "string") return second;
  if (endsBefore(more.attribute, value, second)) {
    return { kind: "reversed", attribute, at: condition.at };
  }
  return { condition, value, more: second };

  function canonical(name: string, operand: Operand): string | Fault {
    const text = read(operand);
    if (operand.kind === "literal") return text;
    const type = filterProtocols.get(protocol)?.attributes.get(name);
    const parsed = type && parseAttributeValue(type, text);
    if (parsed !== undefined) return parsed;
    return { kind: "bad-value", variable: operand, text, attribute: name, at: condition.at };
  }
}

/** Of a range; a mask is none. */
function endsBefore(attribute: string, first: string, last: string): boolean {
  if (/ip(to)$/.test(attribute)) return toBits(first) > toBits(last);
  return /(end|-hi)$/.test(attribute) && Number(first) > Number(last);
}
