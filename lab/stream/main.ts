// Runs in the client's network namespace: `node main.mjs PLAN`, PLAN being a StreamPlan in JSON. Says `flowing`
// after the first echo, ends when its standard input closes, and prints a StreamReport in JSON.
import { performance } from "node:perf_hooks";

import { openConnections } from "./open-connections.ts";
import { sendDatagrams } from "./send-datagrams.ts";
import type { StreamPlan, StreamReport } from "./stream-report.ts";

async function main(): Promise<void> {
  const plan = JSON.parse(process.argv[2] ?? "{}") as StreamPlan;
  const startedAt = performance.now();
  const datagrams = sendDatagrams(plan, () => process.stdout.write("flowing\n"));
  const connections = openConnections(plan);
  await new Promise((resolve) => process.stdin.resume().once("end", resolve));
  const seconds = (performance.now() - startedAt) / 1_000;
  const [datagramReport, connectionReport] = await Promise.all([
    datagrams.end(),
    connections.end(),
  ]);
  const report: StreamReport = {
    seconds: Math.round(seconds * 10) / 10,
    datagrams: datagramReport,
    connections: connectionReport,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
}

await main();
