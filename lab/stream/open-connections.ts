import { connect } from "node:net";
import { performance } from "node:perf_hooks";

import type { StreamPlan, StreamReport } from "./stream-report.ts";

const slowFromMs = 900;
const connectionTimeoutMs = 5_000;

export interface Connections {
  end(): Promise<StreamReport["connections"]>;
}

/** Opens new connections at the plan's rate and fetches the guest's page in each. */
export function openConnections(plan: StreamPlan): Connections {
  const counts = { started: 0, answered: 0, failed: 0, slow: 0, slowestMs: 0 };
  const open = new Set<Promise<void>>();
  const timer = setInterval(() => {
    counts.started += 1;
    const one: Promise<void> = fetchPage(plan).then((tookMs) => {
      open.delete(one);
      if (tookMs === undefined) {
        counts.failed += 1;
        return;
      }
      counts.answered += 1;
      counts.slowestMs = Math.max(counts.slowestMs, Math.round(tookMs));
      if (tookMs > slowFromMs) counts.slow += 1;
    });
    open.add(one);
  }, 1_000 / plan.connectionsPerSecond);
  return {
    end: async () => {
      clearInterval(timer);
      await Promise.all(open);
      return counts;
    },
  };
}

/** Milliseconds until the whole page was there; undefined when it did not come. */
function fetchPage(plan: StreamPlan): Promise<number | undefined> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const socket = connect({ host: plan.address, port: plan.httpPort });
    let reply = "";
    const finish = (tookMs: number | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(tookMs);
    };
    const timer = setTimeout(() => finish(undefined), connectionTimeoutMs);
    socket.setEncoding("latin1");
    socket.on("connect", () => socket.write("GET / HTTP/1.0\r\n\r\n"));
    socket.on("data", (text: string) => (reply += text));
    socket.on("error", () => finish(undefined));
    socket.on("end", () =>
      finish(reply.includes(plan.page) ? performance.now() - startedAt : undefined),
    );
  });
}
