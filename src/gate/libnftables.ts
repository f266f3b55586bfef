import { closeSync, ftruncateSync, readdirSync, readlinkSync, writeSync } from "node:fs";
import { getSystemErrorMap } from "node:util";
import type { LibraryHandle } from "koffi";
import { missingWords } from "../wire/missing-package.ts";

/** Something that the gate needs is not on this machine. */
export class MissingError extends Error {
  override readonly name = "MissingError";
}

/** The kernel or nft refused; the message is in their words. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

/** libnftables with the netlink socket that it talks through. */
export interface Nftables {
  /**
   * All of the script or nothing, in one transaction. Throws {@link RefusedError}. Without a dry run first: the kernel checks all of
   * a transaction before it commits any of it, and taking a dry run back makes it wait for every reader of the ruleset (16 ms
   * against 0.2 ms for the commit of ten rules, Linux 6.18).
   */
  run(script: string): void;
  /**
   * Sends raw bytes on libnftables' own socket and gives every datagram that the kernel answers with, one by one. All of them are to
   * be taken: libnftables does not expect what is left over.
   */
  talk(message: Uint8Array): Iterable<Uint8Array>;
  /** The port id of that socket, which is the kernel's name for the owner of a table. 0 until the first {@link talk} binds it. */
  readonly portId: number;
}

/** The exclusive lock on an open file, which the kernel lets go of when this process ends, however it ends. */
export type TryLock = (descriptor: number) => boolean;

/** Tells systemd that this service is up, where it has asked for that (sd_notify(3)). */
export type TellReady = () => void;

type Native = Awaited<ReturnType<typeof bind>>;
type Context = unknown;

/** Throws {@link MissingError} where koffi or libnftables is not installed. */
export async function openLibnftables(): Promise<{
  nftables: Nftables;
  tryLock: TryLock;
  tellReady: TellReady;
}> {
  const native = await bind();
  const exclusiveNow = 2 | 4; // LOCK_EX | LOCK_NB
  return {
    nftables: openContext(native),
    tryLock: (descriptor) => native.flock(descriptor, exclusiveNow) === 0,
    tellReady: () => tellReady(native, process.env["NOTIFY_SOCKET"]),
  };
}

async function bind() {
  const { default: koffi } = await import("koffi").catch((error: unknown) => {
    throw new MissingError(missingWords.koffi, { cause: error });
  });
  const load = (file: string, hint: string) => {
    try {
      return koffi.load(file);
    } catch (error) {
      throw new MissingError(hint, { cause: error });
    }
  };
  const nft = load("libnftables.so.1", missingWords.libnftables1);
  const libc = load("libc.so.6", "the C library is not glibc");
  const optional = (definition: string) => {
    try {
      return nft.func(definition);
    } catch {
      return undefined;
    }
  };
  return {
    newContext: nft.func("void *nft_ctx_new(uint32_t flags)") as (flags: number) => Context,
    bufferOutput: nft.func("int nft_ctx_buffer_output(void *ctx)") as (context: Context) => number,
    bufferError: nft.func("int nft_ctx_buffer_error(void *ctx)") as (context: Context) => number,
    errorText: nft.func("const char *nft_ctx_get_error_buffer(void *ctx)") as (
      context: Context,
    ) => string,
    setInputFlags: optional("int nft_ctx_input_set_flags(void *ctx, unsigned int flags)") as
      ((context: Context, flags: number) => number) | undefined,
    runFile: nft.func("int nft_run_cmd_from_filename(void *ctx, const char *filename)") as (
      context: Context,
      file: string,
    ) => number,
    ...bindSystem(libc),
    errno: () => koffi.errno(),
  };
}

function bindSystem(libc: LibraryHandle) {
  return {
    send: libc.func("intptr_t send(int fd, const uint8_t *data, size_t length, int flags)") as (
      ...args: [number, Uint8Array, number, number]
    ) => number,
    receive: libc.func("intptr_t recv(int fd, uint8_t *data, size_t length, int flags)") as (
      ...args: [number, Uint8Array, number, number]
    ) => number,
    getSocketName: libc.func(
      "int getsockname(int fd, uint8_t *address, _Inout_ uint32_t *length)",
    ) as (...args: [number, Uint8Array, number[]]) => number,
    memoryFile: libc.func("int memfd_create(const char *name, unsigned int flags)") as (
      name: string,
      flags: number,
    ) => number,
    flock: libc.func("int flock(int fd, int operation)") as (
      descriptor: number,
      operation: number,
    ) => number,
    openSocket: libc.func("int socket(int domain, int type, int protocol)") as (
      ...args: [number, number, number]
    ) => number,
    sendTo: libc.func(
      "intptr_t sendto(int fd, const uint8_t *data, size_t length, int flags, const uint8_t *address, uint32_t size)",
    ) as (...args: [number, Uint8Array, number, number, Uint8Array, number]) => number,
  };
}

/** Node has no datagram sockets with a path. */
function tellReady(native: Native, path: string | undefined): void {
  if (path === undefined) return;
  const socket = native.openSocket(1, 2 | 0o2000000, 0); // AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC
  if (socket < 0) throw new RefusedError(`socket: ${errorWords(native.errno())}`);
  const address = printSocketAddress(path);
  const word = Buffer.from("READY=1");
  const sent = native.sendTo(socket, word, word.length, 0, address, address.length);
  const errno = native.errno();
  closeSync(socket);
  if (sent < 0) throw new RefusedError(`${path}: ${errorWords(errno)}`);
}

/** struct sockaddr_un: the family, and the path. One that begins with @ is abstract: it begins with a zero byte, and none ends it (unix(7)). */
function printSocketAddress(path: string): Uint8Array {
  const isAbstract = path.startsWith("@");
  const name = Buffer.from(isAbstract ? `\0${path.slice(1)}` : `${path}\0`);
  return Buffer.concat([new Uint8Array(Uint16Array.of(1).buffer), name]);
}

function openContext(native: Native): Nftables {
  const before = openSockets();
  const context = native.newContext(0);
  const socket = [...openSockets()].find(([inode]) => !before.has(inode))?.[1];
  if (context === null || socket === undefined) {
    throw new RefusedError("libnftables does not open a netlink socket");
  }
  native.bufferOutput(context);
  native.bufferError(context);
  // libnftables takes a misspelt address for a host name and asks DNS. Since 1.1 it can be told not to (NFT_CTX_INPUT_NO_DNS).
  native.setInputFlags?.(context, 1);
  return {
    get portId() {
      return portIdOf(native, socket);
    },
    talk: (message) => talk(native, socket, message),
    run: (script) => runScript(native, context, script),
  };
}

/** Descriptors of this process that are sockets, by inode. A descriptor number alone is no identity: numbers are used again. */
function openSockets(): ReadonlyMap<string, number> {
  const sockets = new Map<string, number>();
  for (const entry of readdirSync("/proc/self/fd")) {
    try {
      const target = readlinkSync(`/proc/self/fd/${entry}`);
      if (target.startsWith("socket:")) sockets.set(target, Number(entry));
    } catch {
      // The descriptor that read the folder is closed by now.
    }
  }
  return sockets;
}

function portIdOf(native: Native, socket: number): number {
  const address = new Uint8Array(12); // struct sockaddr_nl
  if (native.getSocketName(socket, address, [address.length]) !== 0) {
    throw new RefusedError(`getsockname: ${errorWords(native.errno())}`);
  }
  return new Uint32Array(address.buffer)[1] ?? 0;
}

/**
 * From a file in memory and not from a buffer: for a buffer, libnftables 1.0.6 tells neither the line of an error nor its text, but
 * shows the first line whatever is wrong.
 */
function runScript(native: Native, context: Context, script: string): void {
  const descriptor = native.memoryFile("script", 1); // MFD_CLOEXEC
  if (descriptor < 0) throw new RefusedError(`memfd_create: ${errorWords(native.errno())}`);
  try {
    ftruncateSync(descriptor, 0);
    const bytes = Buffer.from(script.endsWith("\n") ? script : `${script}\n`);
    for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done);
    const file = `/proc/self/fd/${descriptor}`;
    if (native.runFile(context, file) === 0) return;
    throw new RefusedError(native.errorText(context).replaceAll(`${file}:`, "line ").trimEnd());
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The kernel has queued all its answers when send() returns, and goes on with a long listing while it is read (netlink_recvmsg), so
 * reading until nothing is left needs no waiting.
 */
function* talk(native: Native, socket: number, message: Uint8Array): Generator<Uint8Array> {
  if (native.send(socket, message, message.length, 0) < 0) {
    throw new RefusedError(`netlink: ${errorWords(native.errno())}`);
  }
  const dontWait = 0x40;
  const buffer = new Uint8Array(65536);
  for (;;) {
    const length = native.receive(socket, buffer, buffer.length, dontWait);
    if (length <= 0) return;
    yield buffer.slice(0, length);
  }
}

/** The C library's words for an errno. */
export function errorWords(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[1] ?? `error ${errno}`;
}
