import { spawn, type ChildProcess } from "node:child_process";
import type { Writable } from "node:stream";

import { LabError, runProgram } from "./run-program.ts";

/** A program that runs in a world. */
export interface Running {
  /** In the world's own numbering: fit for `kill` run in the world. */
  readonly pid: number;
  /** What it has written so far, both streams. */
  output(): string;
  /** Standard output alone. */
  stdout(): string;
  readonly stdin: Writable;
  /** Sends the signal and waits for the end; after `timeoutMs` (default 5 000) SIGKILL follows. */
  end(signal?: NodeJS.Signals, timeoutMs?: number): Promise<void>;
  /** Resolves with the exit status, -1 for a signal. */
  readonly ended: Promise<number>;
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly onLine?: (line: string) => void;
}

/** Starts `argv` behind `entry`, the nsenter command that leads into a world. */
export async function startIn(
  entry: readonly string[],
  argv: readonly string[],
  options: StartOptions,
): Promise<Running> {
  // fd 3 carries the pid inside the world; pdeathsig ends the program when nsenter (hence its starter) ends.
  const announce = ["sh", "-c", 'echo "$$" >&3; exec 3>&-; exec "$@"', "sh"];
  const dieWithStarter = ["setpriv", "--pdeathsig", "TERM", "--"];
  const [program = "", ...rest] = [...entry, ...dieWithStarter, ...announce, ...argv];
  const child = spawn(program, rest, {
    env: options.env ?? process.env,
    stdio: ["pipe", "pipe", "pipe", "pipe"],
  });
  const heard = listen(child, options.onLine);
  const stdin = child.stdin;
  if (stdin === null) throw new LabError(`${argv.join(" ")} has no standard input`);
  // Writing to a program that has ended is no failure of ours.
  stdin.on("error", () => undefined);
  const ended = new Promise<number>((resolve) => {
    child.on("close", (code) => resolve(code ?? -1));
  });
  const gone = new Promise<void>((resolve) => {
    child.on("exit", () => resolve());
  });
  const pid = await announcedPid(child, argv.join(" "), heard.output);
  return {
    pid,
    stdin,
    ended,
    ...heard,
    end: async (signal = "SIGTERM", timeoutMs = 5_000) => {
      await signalIn(entry, pid, signal);
      const late = setTimeout(() => void signalIn(entry, pid, "SIGKILL"), timeoutMs);
      // A child that outlives it may hold its streams open, so `close` may never come: nsenter's end is enough.
      const last = setTimeout(() => child.kill("SIGKILL"), timeoutMs + 2_000);
      await gone;
      clearTimeout(late);
      clearTimeout(last);
    },
  };
}

function listen(
  child: ChildProcess,
  onLine: StartOptions["onLine"],
): Pick<Running, "output" | "stdout"> {
  let output = "";
  let stdout = "";
  let unfinished = "";
  const hear = (text: string) => {
    output += text;
    const lines = (unfinished + text).split("\n");
    unfinished = lines.pop() ?? "";
    if (onLine !== undefined) lines.forEach(onLine);
  };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    hear(text);
  });
  child.stderr?.setEncoding("utf8").on("data", hear);
  return { output: () => output, stdout: () => stdout };
}

function announcedPid(child: ChildProcess, what: string, output: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      clearTimeout(timer);
      reject(new LabError(`${what} ${why}: ${output()}`));
    };
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail("did not start within 30 s");
    }, 30_000);
    child.on("error", (cause) => fail(`cannot be started (${cause.message})`));
    child.on("close", (code) => fail(`ended at once with ${code ?? "a signal"}`));
    child.stdio[3]?.once("data", (line: Buffer) => {
      clearTimeout(timer);
      resolve(Number(line.toString()));
    });
  });
}

async function signalIn(
  entry: readonly string[],
  pid: number,
  signal: NodeJS.Signals,
): Promise<void> {
  // The shell's own `kill`: procps is not on every Debian. Its failure means that the process is gone already.
  await runProgram([
    ...entry,
    "sh",
    "-c",
    'kill -s "$1" "$2"',
    "kill",
    signal.slice(3),
    String(pid),
  ]);
}
