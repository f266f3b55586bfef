import { chmod, chown, mkdir, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { isReading } from "../../wire/daemon-protocol.ts";
import { hookXmlLimitBytes } from "../../wire/hook-call.ts";
import { claimPath } from "./claim-path.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import { readersSocketOf } from "./readers-socket.ts";
import { serveClient, type RequestHandler } from "./serve-client.ts";

/** A request is a few words, or a hook's XML in hex, or a policy's text. */
const requestLimitBytes = 2 * hookXmlLimitBytes + 64 * 1024;
/** Readers send no XML. */
const readersLimitBytes = 4 * 1024;
/** So that no reader takes all descriptors of the daemon. */
const mostReaders = 64;
/** A reader that asks nothing makes room for another. */
const readersIdleMs = 30_000;

export class SocketInUseError extends Error {
  override readonly name = "SocketInUseError";
}

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
  const claim = claimPath(path);
  if (!claim) throw new SocketInUseError(`another daemon serves ${path}`);
  if (await isServed(path)) {
    claim.letGo();
    throw new SocketInUseError(`another daemon serves ${path}`);
  }
  const endRoot = await serveSocket(path, { handle, limitBytes: requestLimitBytes });
  const endReaders =
    readersGroupId === undefined ? undefined : await serveReaders(path, handle, readersGroupId);
  return async () => {
    await Promise.all([endRoot(), endReaders?.()]);
    claim.letGo();
  };
}

async function serveReaders(
  daemonSocket: string,
  handle: RequestHandler,
  groupId: number,
): Promise<() => Promise<void>> {
  const path = readersSocketOf(daemonSocket);
  const [inTurn, explainInTurn] = [oneAtATime(handle), oneAtATime(handle)];
  const end = await serveSocket(path, {
    limitBytes: readersLimitBytes,
    mostClients: mostReaders,
    idleMs: readersIdleMs,
    handle: (request, reply) => {
      // What takes seconds keeps nobody else waiting.
      if (request.request === "explain") return explainInTurn(request, reply);
      if (isReading(request)) return inTurn(request, reply);
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
  readonly idleMs?: number;
  readonly mostClients?: number;
}

async function serveSocket(
  path: string,
  { mostClients, ...serving }: Serving,
): Promise<() => Promise<void>> {
  await rm(path, { force: true });
  const clients = new Set<Socket>();
  const server = createServer((socket) => {
    clients.add(socket);
    socket.once("close", () => clients.delete(socket));
    serveClient(socket, serving);
  });
  if (mostClients !== undefined) server.maxConnections = mostClients;
  await listen(server, path);
  return async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const client of clients) client.destroy();
    await closed;
  };
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
