import { escapeControls } from "../base/quote.ts";
import { callDaemon } from "../edge/socket/daemon-client.ts";
import type { DaemonEvent } from "../wire/daemon-protocol.ts";
import { exitStatus, RefusedError, type ExitStatus } from "./exit-status.ts";
import type { Output } from "./output.ts";
import type { Settings } from "./settings.ts";

/** With `--json` one object a line, so that a stream can be read as it comes. */
export async function runEvents(
  settings: Settings,
  output: Output,
  follow: boolean,
): Promise<ExitStatus> {
  let isAnswered = false;
  for await (const reply of callDaemon(settings.daemonSocket, { request: "events", follow })) {
    isAnswered = true;
    const events =
      reply.kind === "events" ? reply.events : reply.kind === "event" ? [reply.event] : [];
    for (const event of events) {
      output.out(settings.json ? `${JSON.stringify(event)}\n` : printEvent(event));
    }
    if (!follow) break;
  }
  if (!isAnswered) throw new RefusedError(noDaemon(settings.daemonSocket));
  if (follow) throw new RefusedError("the daemon has ended");
  return exitStatus.ok;
}

export function noDaemon(socket: string): string {
  return `no daemon answers on ${socket}: systemctl start virtwall, or virtwall daemon`;
}

function printEvent(event: DaemonEvent): string {
  const level = event.level === "info" ? "" : `${event.level}: `;
  return `${event.at.slice(0, 23)}Z  ${event.event.padEnd(16)}  ${level}${escapeControls(event.message)}\n`;
}
