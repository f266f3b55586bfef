import type { Socket } from "node:net";
import {
  daemonProtocol,
  isLasting,
  readDaemonRequest,
  type DaemonReply,
  type DaemonRequest,
  type NumberedDaemonRequest,
} from "../../wire/daemon-protocol.ts";
import { FrameReader, printFrame } from "../../wire/frame.ts";

/** A client that follows and does not read is cut off here, before it fills the daemon's memory. An answer may be longer. */
const backlogLimitBytes = 8 * 1024 * 1024;

/** A reply without its envelope. */
type Bare<Reply> = Reply extends DaemonReply ? Omit<Reply, "version" | "id"> : never;
export type DaemonAnswer = Bare<DaemonReply>;

/** Answers a request by any number of replies, one at least. What it returns is called when the client leaves. */
export type RequestHandler = (
  request: DaemonRequest,
  reply: (answer: DaemonAnswer) => void,
) => (() => void) | undefined;

export interface ClientService {
  readonly handle: RequestHandler;
  /** Of one request. */
  readonly limitBytes: number;
  /** A client that neither waits for anything nor follows is let go after so long. Absent: never. */
  readonly idleMs?: number;
}

/**
 * Answers one request of the client after the other: what it sends before it has read the answer is not read. One that lasts is its
 * last.
 */
export function serveClient(
  socket: Socket,
  { handle, limitBytes, idleMs = 0 }: ClientService,
): void {
  const reader = new FrameReader(limitBytes);
  const pending: unknown[] = [];
  let leave: (() => void) | undefined;
  let [isAnswering, isLast] = [false, false];

  const answerNext = (): void => {
    if (isAnswering) return;
    // Of answers that are not read only one is kept.
    if (!isLast && socket.writableNeedDrain) return void socket.once("drain", answerNext);
    if (!isLast && pending.length > 0 && !socket.destroyed) {
      const request = readDaemonRequest(pending.shift());
      [isAnswering, isLast] = [true, request !== undefined && isLasting(request)];
      const reply = replier(socket, request, () => {
        isAnswering = false;
        queueMicrotask(answerNext);
      });
      if (request === undefined) reply(notUnderstood);
      else leave = handle(request, reply);
    }
    if (!isAnswering) socket.resume();
  };

  socket.setTimeout(idleMs, () => {
    if (!isAnswering && !isLast) socket.destroy();
  });
  socket.on("error", () => socket.destroy());
  socket.once("close", () => leave?.());
  socket.on("data", (chunk) => {
    if (isLast) return;
    socket.pause();
    try {
      pending.push(...reader.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk));
    } catch {
      socket.destroy();
      return;
    }
    answerNext();
  });
}

const notUnderstood: DaemonAnswer = {
  kind: "refused",
  message: "the request is not understood: is this the same version?",
};

/** Calls `answered` at the first reply. */
function replier(
  socket: Socket,
  request: NumberedDaemonRequest | undefined,
  answered: () => void,
): (answer: DaemonAnswer) => void {
  let isAnswered = false;
  return (body) => {
    if (!socket.destroyed) {
      socket.write(printFrame({ version: daemonProtocol, id: request?.id ?? 0, ...body }));
      if (isAnswered && socket.writableLength > backlogLimitBytes) socket.destroy();
    }
    if (!isAnswered) answered();
    isAnswered = true;
  };
}
