import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { KernelError } from "../../ports/kernel.ts";
import { missingPackage } from "../../wire/missing-package.ts";
import { defaultGateSocket } from "../../wire/gate-protocol.ts";
import { StartError, startLasting } from "../host/start-lasting.ts";
import { isUnitUp } from "../host/systemctl.ts";
import { openGateSocket, type GateStream } from "./gate-client.ts";

/** The gate's program and its first arguments. In the bundle it stands beside the daemon's and the command's. */
export const gateCommand: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL("./gate.js", import.meta.url)),
];

/** A gate that has nothing more to read ends at once. */
const endsWithinMs = 1_000;

/** systemd's gate, which serves the default socket. */
const gateUnit = "virtwall-gate.service";
/** systemd starts its gate again within 100 ms, and that is up after a few hundred. */
const unitPatienceMs = 5_000;
const lookEveryMs = 20;
/** Asking systemd takes a program. */
const askEveryMs = 250;

/**
 * Connects to the gate on the socket, and starts one if there is none and systemd brings none. It becomes the leader of a session of
 * its own: the signals that end this process leave it, and with it the ownership of the tables.
 */
export async function openLastingGate(
  socket: string,
  command: readonly string[] = gateCommand,
): Promise<GateStream> {
  const served = (await openServed(socket)) ?? (await awaitUnit(socket));
  if (served !== undefined) return served;
  await startLastingGate(socket, command);
  return openGateSocket(socket).catch((error: unknown) => {
    throw new KernelError(`${socket}: ${String(error)}`, { cause: error });
  });
}

/** Undefined where no gate serves the socket. */
async function openServed(socket: string): Promise<GateStream | undefined> {
  try {
    return await openGateSocket(socket);
  } catch (error) {
    if (isUnserved(error)) return undefined;
    throw new KernelError(`${socket}: ${String(error)}`, { cause: error });
  }
}

/** One of ours would keep the socket from systemd's, and end with the daemon's service. Undefined where systemd has none. */
async function awaitUnit(socket: string): Promise<GateStream | undefined> {
  if (socket !== defaultGateSocket) return undefined;
  const deadline = performance.now() + unitPatienceMs;
  let left = unitPatienceMs;
  while (left > 0 && (await isUnitUp(gateUnit, left))) {
    const served = await openServedWithin(socket, askEveryMs);
    if (served !== undefined) return served;
    left = Math.ceil(deadline - performance.now());
  }
  return undefined;
}

async function openServedWithin(socket: string, ms: number): Promise<GateStream | undefined> {
  const end = performance.now() + ms;
  do {
    const served = await openServed(socket);
    if (served !== undefined) return served;
    await sleep(lookEveryMs);
  } while (performance.now() < end);
  return undefined;
}

/** No gate serves the socket, as opposed to one that cannot be reached. */
export function isUnserved(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "ECONNREFUSED";
}

async function startLastingGate(socket: string, command: readonly string[]): Promise<void> {
  try {
    await startLasting([...command, "gate", "--socket", socket]);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    if (error.cause === undefined) throw gateRefusal(error.words);
    throw new KernelError(error.message, { cause: error.cause });
  }
}

/** A gate for this process alone: it ends with it, and the tables persist without an owner. */
export function openTransientGate(command: readonly string[] = gateCommand): Promise<GateStream> {
  const [program = "", ...args] = command;
  // In a session of its own: it is needed to undo what ^C has stopped.
  const child = spawn(program, [...args, "gate", "--once"], { detached: true });
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    words += text;
  });
  // A gate that ends says why on stderr; its closed input is no news.
  child.stdin.on("error", () => undefined);
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new KernelError(error.message, { cause: error })));
    child.once("spawn", () =>
      resolve({
        send: (text) => void child.stdin.write(text),
        close: () => endGate(child),
        onEnd: (listener) =>
          void child.on("close", () => listener(words === "" ? undefined : gateRefusal(words))),
        onData: (listener) => void child.stdout.on("data", listener),
      }),
    );
  });
}

/** One that hangs would keep this process from its end, and the tables' ownership from everybody else. */
function endGate(child: ChildProcessWithoutNullStreams): void {
  child.stdin.end();
  const timer = setTimeout(() => child.kill("SIGKILL"), endsWithinMs);
  child.once("exit", () => clearTimeout(timer));
}

function gateRefusal(words: string): KernelError {
  const message = words.replace(/^virtwall gate: /, "").trim();
  const missing = missingPackage(message);
  return new KernelError(message === "" ? "the gate ended without a word" : message, {
    ...(missing !== undefined && { missing }),
  });
}
