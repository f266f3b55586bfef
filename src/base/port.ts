/** Protocols that carry ports and that virtwall publishes or judges by port. */
export const portProtocols = ["tcp", "udp"] as const;
export type PortProtocol = (typeof portProtocols)[number];

/** Inclusive; a single port has `first === last`. 1 to 65535. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** `80` or `5000-5010`; undefined for anything else, a falling range and port 0 among it. */
export function parsePortRange(text: string): PortRange | undefined {
  const match = /^([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?$/.exec(text);
  if (!match) return undefined;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  return first <= last && last <= 65535 ? { first, last } : undefined;
}

export function formatPortRange(range: PortRange): string {
  return range.first === range.last ? String(range.first) : `${range.first}-${range.last}`;
}

/** Overlapping and touching ranges become one. Sorted. */
export function distinctRanges(ranges: readonly PortRange[]): PortRange[] {
  const merged: PortRange[] = [];
  for (const next of ranges.toSorted((a, b) => a.first - b.first || a.last - b.last)) {
    const last = merged.at(-1);
    if (last === undefined || next.first > last.last + 1) merged.push(next);
    else merged[merged.length - 1] = { first: last.first, last: Math.max(last.last, next.last) };
  }
  return merged;
}
