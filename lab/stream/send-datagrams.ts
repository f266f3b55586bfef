import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { performance } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";

import { measureLostRuns } from "./lost-runs.ts";
import type { StreamPlan, StreamReport } from "./stream-report.ts";

/** While echoes are missing, so long without any is the end: a busy machine may be seconds behind. */
const graceMs = 3_000;

export interface Datagrams {
  end(): Promise<StreamReport["datagrams"]>;
}

/** Sends numbered datagrams at the plan's rate and counts the echoes. */
export function sendDatagrams(plan: StreamPlan, onFirstEcho: () => void): Datagrams {
  const seen = new Set<number>();
  const sockets: Socket[] = [];
  const startedAt = performance.now();
  let heardAt = startedAt;
  let sent = 0;
  let skipped = 0;
  const openFlow = (): Socket => {
    const socket = createSocket(isIPv6(plan.address) ? "udp6" : "udp4");
    socket.on("message", (datagram) => {
      const number = datagram.length === 4 ? datagram.readUInt32BE(0) : -1;
      if (number < 0 || seen.has(number)) return;
      seen.add(number);
      heardAt = performance.now();
      if (seen.size === 1) onFirstEcho();
    });
    // ICMP errors (a reject) arrive here; what counts is the missing echo.
    socket.on("error", () => undefined);
    sockets.push(socket);
    return socket;
  };
  let flow = openFlow();
  const sendDue = () => {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * plan.datagramsPerSecond);
    const missed = due - skipped - sent;
    // After a stall of the machine, most of what was missed is left out: a burst would measure the guest's
    // queues, not firewalls.
    const burst = Math.min(missed, Math.ceil(plan.datagramsPerSecond / 50));
    skipped += missed - burst;
    for (let left = burst; left > 0; left -= 1) {
      if (sent > 0 && sent % plan.datagramsPerFlow === 0) flow = openFlow();
      const datagram = Buffer.alloc(4);
      datagram.writeUInt32BE(sent);
      sent += 1;
      flow.send(datagram, plan.udpPort, plan.address, () => undefined);
    }
  };
  const timer = setInterval(sendDue, 1);
  return {
    end: async () => {
      clearInterval(timer);
      heardAt = performance.now();
      while (seen.size < sent && performance.now() < heardAt + graceMs) await setTimeout(20);
      sockets.forEach((socket) => socket.close());
      const counts = { sent, arrived: seen.size, lost: sent - seen.size, flows: sockets.length };
      return { ...counts, ...measureLostRuns(sent, seen, plan.datagramsPerSecond) };
    },
  };
}
