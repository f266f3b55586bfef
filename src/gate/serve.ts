import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  rmSync,
  writeSync,
  ftruncateSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { dirname } from "node:path";
import type { Readable, Writable } from "node:stream";
import { FrameError, FrameReader, printFrame } from "../wire/frame.ts";
import { readGateRequest, type GateReply } from "../wire/gate-protocol.ts";
import type { Gate } from "./gate.ts";
import type { TryLock } from "./libnftables.ts";

/** Another gate serves this socket. */
export class AlreadyServedError extends Error {
  override readonly name = "AlreadyServedError";
}

/**
 * Takes the right to serve the socket, or throws {@link AlreadyServedError}. A lock on a file beside the socket, because the socket
 * itself cannot tell a gate that is starting from one that died.
 */
export function claimSocket(socket: string, tryLock: TryLock): void {
  // The daemon's sockets are in it too, one of them for a group.
  mkdirSync(dirname(socket), { recursive: true, mode: 0o755 });
  const descriptor = openSync(`${socket}.lock`, "a", 0o600);
  if (!tryLock(descriptor)) {
    closeSync(descriptor);
    throw new AlreadyServedError(`${socket} is already served`);
  }
  ftruncateSync(descriptor, 0);
  writeSync(descriptor, `${process.pid}\n`);
  // The descriptor stays open: the lock lives as long as this process.
  rmSync(socket, { force: true });
}

/** Listens on a claimed socket that root alone may use. Resolves once clients can connect. */
export async function listen(socket: string, gate: Gate): Promise<Server> {
  const server = createServer((connection) => {
    connection.on("error", () => connection.destroy());
    serveStream(connection, connection, gate);
  });
  const umask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(socket, resolve);
    });
  } finally {
    process.umask(umask);
  }
  chmodSync(socket, 0o600);
  return server;
}

/** Answers every request of one stream. A stream that is not the protocol is ended; the gate goes on. */
export function serveStream(input: Readable, output: Writable, gate: Gate): void {
  const frames = new FrameReader();
  const visitor = gate.newVisitor();
  input.on("data", (chunk: Uint8Array) => {
    try {
      for (const value of frames.push(chunk)) {
        const request = readGateRequest(value);
        if (request === undefined) throw new FrameError("not a request");
        for (const reply of gate.answer(request, visitor)) output.write(printFrame(reply));
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      output.end(
        printFrame({ id: -1, kind: "refused", message: error.message } satisfies GateReply),
      );
      input.destroy();
    }
  });
}
