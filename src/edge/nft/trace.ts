import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { KernelError } from "../../ports/kernel.ts";
import { readTraceLine, type TraceEvent } from "../../nft/read-trace.ts";
import { listTable, type TableAddress } from "./list.ts";
import { isListening } from "./monitor.ts";
import { nftCannotStart, nftEnvironment, runNft } from "./run-nft.ts";

const pauseMs = 20;
const longestMs = 30_000;

/** nft's words on the first command that it would not take; undefined where it would take all. Changes nothing. */
export async function tryCommands(commands: readonly string[]): Promise<string | undefined> {
  const { status, stderr } = await runNft(["-c", "-f", "-"], { input: commands.join("\n") });
  return status === 0 ? undefined : (/Error: (.*)/.exec(stderr)?.[1] ?? stderr.trim());
}

/**
 * Tables that live as long as the nft that has made them, which ends when this process does, whatever ends it. Each command is a
 * transaction of its own: that nft reads line by line.
 */
export class OwnedTables {
  readonly #child: ChildProcess;
  #words = "";
  #runs = 0;

  constructor() {
    // Without a home it keeps no history of what it was told.
    const env = { ...nftEnvironment(), HOME: "/dev/null" };
    this.#child = spawn("nft", ["-i"], { stdio: ["pipe", "ignore", "pipe"], env });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#words += text));
    this.#child.stdin?.on("error", () => undefined);
    this.#child.on("error", (error) => (this.#words = nftCannotStart(error).message));
  }

  /** Runs commands one after the other, of which the first has made the table. Answers when they are done. */
  async run(table: TableAddress, commands: readonly string[]): Promise<void> {
    // It says nothing when all is well: so one more command leaves a sign.
    const sign = `done${(this.#runs += 1)}`;
    const last = `add chain ${table.family} ${table.name} ${sign}`;
    this.#child.stdin?.write(`${[...commands, last].join("\n")}\n`);
    const end = performance.now() + longestMs;
    while (performance.now() < end) {
      if (this.#words !== "") throw new KernelError(explained(this.#words.trim()));
      const listing = await listTable(table, { isTerse: true });
      if (listing?.nftables.some(({ chain }) => chain?.["name"] === sign) === true) return;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    throw new KernelError("nft does not answer");
  }

  async close(): Promise<void> {
    const { exitCode, signalCode, pid } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin?.end();
    await ended;
  }
}

function explained(words: string): string {
  return words.includes("Operation not supported")
    ? `${words}\nvirtwall trace needs Linux 5.12 or newer, whose tables go with their owner`
    : words;
}

/**
 * Hears what the kernel tells of traced packets, from the moment on at which this returns. The function returned ends it; `onEnd` is
 * called when it ends by itself.
 */
export async function watchTrace(
  onEvent: (event: TraceEvent) => void,
  onEnd: () => void,
): Promise<() => void> {
  // Without packets it never writes, and would not notice that nobody reads: so it goes with this process.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "nft", "-a", "monitor", "trace"], {
    stdio: ["ignore", "pipe", "ignore"],
    env: nftEnvironment(),
  });
  let isEnded = false;
  const end = (): void => {
    if (!isEnded) onEnd();
    isEnded = true;
  };
  child.on("error", end).on("exit", end);
  createInterface({ input: child.stdout }).on("line", (line) => {
    const event = readTraceLine(line);
    if (event !== undefined && !isEnded) onEvent(event);
  });
  const latest = performance.now() + longestMs;
  while (!isEnded && !isListening(child)) {
    if (performance.now() > latest)
      throw new KernelError("nft monitor trace does not begin to listen");
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  if (child.pid === undefined) {
    throw new KernelError("setpriv cannot be started", { missing: "util-linux" });
  }
  return () => {
    isEnded = true;
    child.kill();
  };
}
