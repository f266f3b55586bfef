import type { Element, Expression } from "./ast.ts";
import { compareText, fingerprint } from "./fingerprint.ts";
import { compareIntervals, intervalOf } from "./interval.ts";

/** By key, field after field: numbers and addresses by value, names by their bytes. */
export function compareElements(a: Element, b: Element): number {
  return compareKeys(a.key, b.key);
}

function compareKeys(a: Expression, b: Expression): number {
  if (a.kind === "concat" && b.kind === "concat") return compareFields(a.parts, b.parts);
  const [x, y] = [intervalOf(a), intervalOf(b)];
  if (x !== undefined && y !== undefined) return compareIntervals(x, y);
  if (x !== undefined || y !== undefined) return x === undefined ? 1 : -1;
  return compareText(textOf(a), textOf(b));
}

function compareFields(a: readonly Expression[], b: readonly Expression[]): number {
  for (const [index, field] of a.entries()) {
    const other = b[index];
    const order = other === undefined ? 1 : compareKeys(field, other);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function textOf(key: Expression): string {
  return key.kind === "value" ? String(key.value) : fingerprint(key);
}
