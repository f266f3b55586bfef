import type { StreamReport } from "../stream/stream-report.ts";

/** One column of the demo's table. */
export interface Measurement {
  /** One to three short lines. */
  readonly title: readonly string[];
  readonly pages: Pages;
  /** After the last restart a guest still reaches the outside, through NAT. */
  readonly reachesOutside: boolean;
  readonly restarts: number;
  readonly stream: StreamReport;
}

/** Who got the guest's page under its public address. */
export interface Pages {
  readonly client: boolean;
  readonly hypervisor: boolean;
  readonly secondGuest: boolean;
}

/** The measurements side by side. */
export function printMeasurements(measurements: readonly Measurement[]): string {
  const head = [0, 1, 2].map((line) => [
    line === 2 ? "through the public address" : "",
    ...measurements.map(({ title }) => title[line] ?? ""),
  ]);
  const rows = rowsOf(measurements);
  const all = [...head, ...rows];
  const widths = all[0]?.map((_, column) =>
    Math.max(...all.map((row) => (row[column] ?? "").length)),
  );
  const print = (row: readonly string[]) =>
    row
      .map((cell, column) => cell[column === 0 ? "padEnd" : "padStart"](widths?.[column] ?? 0))
      .join("   ")
      .trimEnd();
  const rule = "-".repeat((widths ?? []).reduce((sum, width) => sum + width + 3, -3));
  return [...head.map(print), rule, ...rows.map(print)].join("\n");
}

function rowsOf(measurements: readonly Measurement[]): string[][] {
  const row = (name: string, cell: (one: Measurement) => string) => [
    name,
    ...measurements.map(cell),
  ];
  const yes = (got: boolean) => (got ? "yes" : "no");
  return [
    row("page for the client outside", ({ pages }) => yes(pages.client)),
    row("page for the hypervisor itself", ({ pages }) => yes(pages.hypervisor)),
    row("page for a second guest", ({ pages }) => yes(pages.secondGuest)),
    row("guest reaches outside, at the end", ({ reachesOutside }) => yes(reachesOutside)),
    row("restarts of the host firewall", ({ restarts }) => String(restarts)),
    row("packets sent, in new flows of 100", ({ stream }) => String(stream.datagrams.sent)),
    row("  arrived and came back", ({ stream }) => String(stream.datagrams.arrived)),
    row("  lost", ({ stream }) => share(stream.datagrams.lost, stream.datagrams.sent)),
    row("  longest gap", ({ stream }) => `${stream.datagrams.longestGapMs} ms`),
    row("  cut off (gaps over 100 ms)", ({ stream }) => cutOff(stream)),
    row("new connections", ({ stream }) => String(stream.connections.started)),
    row("  failed", ({ stream }) => share(stream.connections.failed, stream.connections.started)),
    row("  slow (over 900 ms)", ({ stream }) =>
      share(stream.connections.slow, stream.connections.started),
    ),
  ];
}

function share(count: number, whole: number): string {
  return count === 0 ? "0" : `${count} (${Math.round((100 * count) / whole)} %)`;
}

function cutOff({ seconds, datagrams }: StreamReport): string {
  return `${(datagrams.darkMs / 1_000).toFixed(1)} s of ${seconds.toFixed(1)} s`;
}
