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
  const sorted = [...networks, ...reserved].toSorted((a, b) => (a.first < b.first ? -1 : 1));
  const elsewhere: Interval[] = [];
  for (const each of sorted) {
    const before = elsewhere.at(-1);
    if (before === undefined || each.first > before.last + 1n) elsewhere.push(each);
    else if (each.last > before.last) {
      elsewhere[elsewhere.length - 1] = { first: before.first, last: each.last };
    }
  }
  return { family, elsewhere };
}

export const widthOf = (family: Family): number => (family === 4 ? 32 : 128);

export function networkOf(address: bigint, length: number, family: Family): Interval {
  const size = 1n << BigInt(widthOf(family) - length);
  const first = (address / size) * size;
  return { first, last: first + size - 1n };
}

/** Whether the address lies there. */
export function isWithin({ family, elsewhere }: Outsider, { first, last }: Interval): Answer {
  const covers = (low: bigint, high: bigint) =>
    low > high || elsewhere.some((each) => each.first <= low && high <= each.last);
  if (covers(first, last)) return "no";
  const end = (1n << BigInt(widthOf(family))) - 1n;
  return covers(0n, first - 1n) && covers(last + 1n, end) ? "yes" : "maybe";
}
