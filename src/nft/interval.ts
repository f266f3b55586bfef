import { type Family, familyOf, formatAddress, parseAddress, toBits } from "../base/address.ts";
import type { Expression } from "./ast.ts";

/** A key of one field as the numbers it covers. `family` is absent for what is no address. */
export interface Interval {
  readonly family?: Family;
  readonly first: bigint;
  readonly last: bigint;
}

/** Undefined for what is no number or address: names, concatenations. */
export function intervalOf(key: Expression): Interval | undefined {
  switch (key.kind) {
    case "value":
      return between(key.value, key.value);
    case "range":
      return between(key.first, key.last);
    case "prefix":
      return ofPrefix(key.address, key.length);
    default:
      return undefined;
  }
}

/** The shortest way nft has to write the interval: one value, an aligned prefix, or a range. */
export function expressionOf(interval: Interval): Expression {
  const { family, first, last } = interval;
  if (family === undefined) {
    return first === last
      ? { kind: "value", value: Number(first) }
      : { kind: "range", first: Number(first), last: Number(last) };
  }
  const address = formatAddress(family, first);
  if (first === last) return { kind: "value", value: address };
  const length = prefixLength(interval, family);
  return length === undefined
    ? { kind: "range", first: address, last: formatAddress(family, last) }
    : { kind: "prefix", address, length };
}

/** Joins what overlaps or touches, as nft does for an anonymous set with intervals. */
export function mergeIntervals(intervals: readonly Interval[]): Interval[] {
  const merged: Interval[] = [];
  for (const next of intervals.toSorted(compareIntervals)) {
    const previous = merged.at(-1);
    if (previous !== undefined && next.first <= previous.last + 1n) {
      const last = next.last > previous.last ? next.last : previous.last;
      merged[merged.length - 1] = { ...previous, last };
    } else {
      merged.push(next);
    }
  }
  return merged;
}

export function compareIntervals(a: Interval, b: Interval): number {
  if (a.family !== b.family) return (a.family ?? 0) - (b.family ?? 0);
  if (a.first !== b.first) return a.first < b.first ? -1 : 1;
  return a.last < b.last ? -1 : a.last > b.last ? 1 : 0;
}

function between(first: string | number, last: string | number): Interval | undefined {
  if (typeof first === "number" && typeof last === "number") {
    return { first: BigInt(first), last: BigInt(last) };
  }
  const [low, high] = [parseAddress(String(first)), parseAddress(String(last))];
  if (low === undefined || high === undefined || familyOf(low) !== familyOf(high)) return undefined;
  return { family: familyOf(low), first: toBits(low), last: toBits(high) };
}

function ofPrefix(text: string, length: number): Interval | undefined {
  const address = parseAddress(text);
  if (address === undefined) return undefined;
  const family = familyOf(address);
  const size = 1n << BigInt(widthOf(family) - length);
  const first = (toBits(address) / size) * size;
  return { family, first, last: first + size - 1n };
}

function prefixLength({ first, last }: Interval, family: Family): number | undefined {
  const size = last - first + 1n;
  if ((size & (size - 1n)) !== 0n || first % size !== 0n) return undefined;
  return widthOf(family) - (size.toString(2).length - 1);
}

function widthOf(family: Family): number {
  return family === 4 ? 32 : 128;
}
