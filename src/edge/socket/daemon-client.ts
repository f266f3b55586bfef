import { connect, type Socket } from "node:net";
import {
  daemonProtocol,
  isReading,
  readDaemonReply,
  type DaemonReply,
  type DaemonRequest,
} from "../../wire/daemon-protocol.ts";
import type { StatusPart, StatusParts } from "../../wire/daemon-status.ts";
import { FrameError, FrameReader, printFrame } from "../../wire/frame.ts";
import { readersGroup, readersSocketOf } from "./readers-socket.ts";

/** The daemon did not answer as it should. */
export class DaemonError extends Error {
  override readonly name = "DaemonError";
}

/** Undefined where no daemon listens. Throws {@link DaemonError} when one does and breaks off. */
export async function askDaemon(
  socketPath: string,
  request: DaemonRequest,
): Promise<DaemonReply | undefined> {
  const replies = callDaemon(socketPath, request);
  for await (const reply of replies) return reply;
  return undefined;
}

/** What is named of the daemon's status, and no more is looked for. Undefined where no daemon listens. */
export async function askParts<Part extends StatusPart>(
  socketPath: string,
  ...parts: readonly Part[]
): Promise<Pick<StatusParts, Part> | undefined> {
  const reply = await askDaemon(socketPath, { request: "parts", parts });
  return reply?.kind === "parts" ? (reply.parts as Pick<StatusParts, Part>) : undefined;
}

/** Replies until the daemon closes; none where no daemon listens. */
export async function* callDaemon(
  socketPath: string,
  request: DaemonRequest,
): AsyncGenerator<DaemonReply, void> {
  const socket = await open(socketPath, isReading(request));
  if (!socket) return;
  try {
    socket.write(printFrame({ version: daemonProtocol, id: 1, ...request }));
    const reader = new FrameReader();
    let count = 0;
    for await (const chunk of socket) {
      for (const value of reader.push(chunk as Buffer)) {
        count++;
        yield readReply(value);
      }
    }
    if (count === 0) throw new DaemonError("the daemon ended before it answered");
  } catch (error) {
    if (error instanceof FrameError || (error as NodeJS.ErrnoException).code === "ECONNRESET") {
      throw new DaemonError("the daemon broke off in the middle of its answer", { cause: error });
    }
    throw error;
  } finally {
    socket.destroy();
  }
}

function readReply(value: unknown): DaemonReply {
  const reply = readDaemonReply(value);
  if (!reply) throw new DaemonError("the daemon that runs is of another version: restart it");
  if (reply.kind === "refused") throw new DaemonError(reply.message);
  return reply;
}

/** Root's socket, or that of the readers. */
async function open(path: string, mayRead: boolean): Promise<Socket | undefined> {
  try {
    return await connectTo(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ECONNREFUSED") return undefined;
    if (code !== "EACCES") throw new DaemonError(`${path}: ${message}`, { cause });
    if (!mayRead) throw new DaemonError(`${path}: permission denied: for root alone`, { cause });
  }
  const readers = readersSocketOf(path);
  try {
    return await connectTo(readers);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ECONNREFUSED") return undefined;
    const who = `for root, and for the group ${readersGroup} where there is one`;
    throw new DaemonError(`${readers}: permission denied: ${who}`, { cause });
  }
}

function connectTo(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}
