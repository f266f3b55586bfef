/**
 * The gate: the one process that writes our tables, and owns them.
 *
 * It is a process of its own for two reasons. A table's owner is a netlink socket, and the kernel gives the table up when that
 * socket is closed, so the owner must outlive restarts and upgrades of the daemon. And libnftables can abort its caller: 1.0.6 does
 * so on some set elements, 1.1 on fewer. The daemon must not die of that. So the gate knows no policy and reads nobody's files: it
 * takes one transaction at a time from root, commits it, and answers in the kernel's words. When it dies, the tables
 * persist, and the next gate adopts them with their rules and counts.
 */
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import packageFile from "../../package.json" with { type: "json" };
import { defaultGateSocket } from "../wire/gate-protocol.ts";
import { refuseSocketPath } from "../wire/socket-path.ts";
import { Gate } from "./gate.ts";
import { MissingError, openLibnftables, RefusedError } from "./libnftables.ts";
import { OwnedElsewhereError } from "./own-tables.ts";
import { AlreadyServedError, claimSocket, listen, serveStream } from "./serve.ts";

const usage = `usage: virtwall gate [--socket PATH]   serve until SIGTERM (default ${defaultGateSocket})
       virtwall gate --once            answer the requests on standard input, then end`;

class UsageError extends Error {
  override readonly name = "UsageError";
}

async function main(argv: readonly string[]): Promise<void> {
  const options = readOptions(argv);
  if (options.help === true) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  const socket = options.socket ?? defaultGateSocket;
  const refusal = refuseSocketPath(socket);
  if (refusal !== undefined) throw new UsageError(refusal);
  if (process.getuid?.() !== 0) throw new RefusedError("only root may change the ruleset");
  // For libnftables before 1.1, which takes a misspelt address for a host name: at least it does not wait for DNS.
  process.env["RES_OPTIONS"] = "attempts:1 timeout:1";
  const { nftables, tryLock, tellReady } = await openLibnftables();
  const newGate = (): Promise<Gate> =>
    afterPredecessor(() => new Gate(nftables, packageFile.version));
  if (options.once === true) {
    serveStream(process.stdin, process.stdout, await newGate());
    return;
  }
  await afterPredecessor(() => claimSocket(socket, tryLock));
  const server = await listen(socket, await newGate());
  // The signal ends the process and nothing else: the tables persist, and a socket file without a server is replaced.
  const end = (): void => process.exit(0);
  process.once("SIGTERM", end).once("SIGINT", end);
  server.on("error", fail);
  process.stdout.write("ready\n");
  tellReady();
}

/**
 * A gate that ends lets go of its connections, its lock and its tables one after the other, so whoever saw the first of it may start
 * the next one too early. Only a refusal that lasts means that there is another gate.
 */
async function afterPredecessor<T>(take: () => T): Promise<T> {
  for (let pauseMs = 20; pauseMs < 500; pauseMs *= 2) {
    try {
      return take();
    } catch (error) {
      if (!(error instanceof AlreadyServedError || error instanceof OwnedElsewhereError))
        throw error;
    }
    await setTimeout(pauseMs);
  }
  return take();
}

function readOptions(argv: readonly string[]) {
  try {
    return parseArgs({
      args: argv[0] === "gate" ? argv.slice(1) : [...argv],
      options: {
        socket: { type: "string" },
        once: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function fail(error: unknown): never {
  if (error instanceof UsageError) {
    process.stderr.write(`virtwall gate: ${error.message}\n${usage}\n`);
    process.exit(2);
  }
  if (isRefusal(error)) {
    process.stderr.write(`virtwall gate: ${error.message}\n`);
    process.exit(3);
  }
  throw error;
}

function isRefusal(error: unknown): error is Error {
  return (
    error instanceof MissingError ||
    error instanceof RefusedError ||
    error instanceof AlreadyServedError ||
    error instanceof OwnedElsewhereError ||
    (error instanceof Error && "syscall" in error)
  );
}

// Whoever started the gate may be gone when it has something to say.
process.stdout.on("error", () => undefined);
process.stderr.on("error", () => undefined);
main(process.argv.slice(2)).catch(fail);
