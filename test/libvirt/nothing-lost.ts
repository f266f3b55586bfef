import { expect } from "vitest";

import type { StreamReport } from "../../lab/stream/stream-report.ts";

/** Every datagram came back, and every connection got its page. */
export function expectNothingLost(report: StreamReport): void {
  const { datagrams, connections } = report;
  expect(datagrams.sent).toBeGreaterThan(100);
  expect([datagrams.lost, connections.failed], JSON.stringify(report)).toEqual([0, 0]);
}
