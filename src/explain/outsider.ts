import { parseAddress, toBits, type Family } from "../base/address.ts";
import type { Answer, Interval, Outsider } from "./value.ts";

/** Nobody out there has these: the host's own words for itself, several or all at once (RFC 6890). */
const special: Readonly<Record<Family, readonly (readonly [prefix: string, length: number])[]>> = {
  4: [
    ["0.0.0.0", 8],
    ["127.0.0.0", 8],
    ["224.0.0.0", 3],
  ],
  6: [
    ["::", 127],
    ["fe80::", 10],
    ["ff00::", 8],
  ],
};

/** Somebody who is in none of these networks. */
export function outsiderOf(family: Family, networks: readonly Interval[]): Outsider {
  const reserved = special[family].flatMap(([text, length]) => {
    const address = parseAddress(text);
    return address === undefined ? [] : [networkOf(toBits(address), length, family)];
  });
  return { family, elsewhere: merged([...networks, ...reserved]) };
}

/** A number of 32 bits, one of so many. */
export function oneOf(count: bigint, first: bigint): Outsider {
  const [before, behind] = [first - 1n, first + count];
  return {
    family: 4,
    elsewhere: [
      ...(first > 0n ? [{ first: 0n, last: before }] : []),
      ...(behind <= last(4) ? [{ first: behind, last: last(4) }] : []),
    ],
  };
}

/** The same, one of these. */
export function oneAmong(numbers: readonly bigint[]): Outsider {
  const sorted = numbers.toSorted((a, b) => (a < b ? -1 : 1));
  const gaps = [-1n, ...sorted].map((before, index) => ({
    first: before + 1n,
    last: (sorted[index] ?? last(4) + 1n) - 1n,
  }));
  return { family: 4, elsewhere: gaps.filter(({ first, last: end }) => first <= end) };
}

const last = (family: Family): bigint => (1n << BigInt(widthOf(family))) - 1n;

function merged(intervals: readonly Interval[]): Interval[] {
  const sorted = intervals.toSorted((a, b) => (a.first < b.first ? -1 : 1));
  const all: Interval[] = [];
  for (const each of sorted) {
    const before = all.at(-1);
    if (before === undefined || each.first > before.last + 1n) all.push(each);
    else if (each.last > before.last) {
      all[all.length - 1] = { first: before.first, last: each.last };
    }
  }
  return all;
}

/** Whether it lies in one of these, whichever. */
export function isCovered({ family, elsewhere }: Outsider, by: readonly Interval[]): boolean {
  const [all, ...gaps] = merged([...elsewhere, ...by]);
  return gaps.length === 0 && all?.first === 0n && all.last >= last(family);
}

export const widthOf = (family: Family): number => (family === 4 ? 32 : 128);

export function networkOf(address: bigint, length: number, family: Family): Interval {
  const size = 1n << BigInt(widthOf(family) - length);
  const first = (address / size) * size;
  return { first, last: first + size - 1n };
}

/** Whether the address lies there. */
export function isWithin({ family, elsewhere }: Outsider, interval: Interval): Answer {
  const covers = (low: bigint, high: bigint) =>
    low > high || elsewhere.some((each) => each.first <= low && high <= each.last);
  if (covers(interval.first, interval.last)) return "no";
  return covers(0n, interval.first - 1n) && covers(interval.last + 1n, last(family))
    ? "yes"
    : "maybe";
}
