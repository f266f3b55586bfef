import { chmod, chown, mkdir, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import {
  daemonProtocol,
  isReading,
  readDaemonRequest,
  type DaemonReply,
  type DaemonRequest,
} from "../../wire/daemon-protocol.ts";
import { FrameReader, printFrame } from "../../wire/frame.ts";
import { hookXmlLimitBytes } from "../../wire/hook-call.ts";
import { claimPath } from "./claim-path.ts";
import { readersSocketOf } from "./readers-socket.ts";

/** A request is a few words, or a hook's XML in hex, or a policy's text. */
const requestLimitBytes = 2 * hookXmlLimitBytes + 64 * 1024;
/** Readers send no XML. */
const readersLimitBytes = 4 * 1024;
/** So that no reader takes all descriptors of the daemon. */
const mostReaders = 64;
/** A client that follows and does not read is cut off here, before it fills the daemon's memory. */
const backlogLimitBytes = 8 * 1024 * 1024;

export class SocketInUseError extends Error {
  override readonly name = "SocketInUseError";
}

/** A reply without its envelope. */
type Bare<Reply> = Reply extends DaemonReply ? Omit<Reply, "version" | "id"> : never;
export type DaemonAnswer = Bare<DaemonReply>;

/** Answers a request by any number of replies. What it returns is called when the client leaves. */
export type RequestHandler = (
  request: DaemonRequest,
  reply: (answer: DaemonAnswer) => void,
) => (() => void) | undefined;

/**
 * Listens on the path, for root only, and beside it for the group of readers if one is given, who are answered and change nothing. A
 * socket file that nobody answers on is left over and replaced; where another daemon has claimed it, or some other program
 * answers: {@link SocketInUseError}. The function returned ends it and removes the files.
 */
export async function serveDaemon(
  path: string,
  handle: RequestHandler,
  readersGroupId?: number,
): Promise<() => Promise<void>> {
  // Each socket says by itself whose it is; in a folder that is root's alone a group would find none.
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  const letGo = claimPath(path);
  if (!letGo) throw new SocketInUseError(`another daemon serves ${path}`);
  if (await isServed(path)) {
    letGo();
    throw new SocketInUseError(`another daemon serves ${path}`);
  }
  const endRoot = await serveSocket(path, { handle, limitBytes: requestLimitBytes });
  const endReaders =
    readersGroupId === undefined ? undefined : await serveReaders(path, handle, readersGroupId);
  return async () => {
    await Promise.all([endRoot(), endReaders?.()]);
    letGo();
  };
}

async function serveReaders(
  daemonSocket: string,
  handle: RequestHandler,
  groupId: number,
): Promise<() => Promise<void>> {
  const path = readersSocketOf(daemonSocket);
  const end = await serveSocket(path, {
    limitBytes: readersLimitBytes,
    mostClients: mostReaders,
    handle: (request, reply) => {
      if (isReading(request)) return handle(request, reply);
      reply({ kind: "refused", message: `${request.request}: root alone may change anything` });
      return undefined;
    },
  });
  // Until here it was root's alone.
  await chown(path, 0, groupId);
  await chmod(path, 0o660);
  return end;
}

interface Serving {
  readonly handle: RequestHandler;
  readonly limitBytes: number;
  readonly mostClients?: number;
}

async function serveSocket(
  path: string,
  { handle, limitBytes, mostClients }: Serving,
): Promise<() => Promise<void>> {
  await rm(path, { force: true });
  const clients = new Set<Socket>();
  const server = createServer((socket) => {
    clients.add(socket);
    socket.once("close", () => clients.delete(socket));
    serveClient(socket, handle, limitBytes);
  });
  if (mostClients !== undefined) server.maxConnections = mostClients;
  await listen(server, path);
  return async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const client of clients) client.destroy();
    await closed;
  };
}

function serveClient(socket: Socket, handle: RequestHandler, limitBytes: number): void {
  const reader = new FrameReader(limitBytes);
  const leave: (() => void)[] = [];
  socket.on("error", () => socket.destroy());
  socket.once("close", () => {
    for (const callback of leave) callback();
  });
  socket.on("data", (chunk) => {
    let values: readonly unknown[];
    try {
      values = reader.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
    } catch {
      socket.destroy();
      return;
    }
    for (const value of values) {
      const end = answer(socket, value, handle);
      if (end) leave.push(end);
    }
  });
}

function answer(socket: Socket, value: unknown, handle: RequestHandler): (() => void) | undefined {
  const request = readDaemonRequest(value);
  const id = request?.id ?? 0;
  const reply = (body: DaemonAnswer): void => {
    if (socket.destroyed) return;
    socket.write(printFrame({ version: daemonProtocol, id, ...body }));
    if (socket.writableLength > backlogLimitBytes) socket.destroy();
  };
  if (request) return handle(request, reply);
  reply({ kind: "refused", message: "the request is not understood: is this the same version?" });
  return undefined;
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // The file is made before `listen` returns: at no moment is it anybody else's to open.
    const umask = process.umask(0o177);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
    process.umask(umask);
  });
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
