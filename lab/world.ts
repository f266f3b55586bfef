import { spawn, type ChildProcess, type ChildProcessByStdio } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

import { projectRoot } from "./project-root.ts";
import {
  LabError,
  mustRun,
  runProgram,
  type ProgramOptions,
  type ProgramResult,
} from "./run-program.ts";

/**
 * A private world: own network, mounts, processes, /run, and throw-away layers over /etc and /var. Its
 * network namespace plays the hypervisor. Nothing that runs in it reaches the machine's network, firewall
 * or configuration, and everything in it ends with {@link World.stop}, or with the process that started it.
 */
export interface World {
  /** A folder both sides see, for this world alone; removed at the end. */
  readonly folder: string;
  /** Runs a program in the world to its end. */
  run(argv: readonly string[], options?: ProgramOptions): Promise<ProgramResult>;
  /** As `run`, but throws {@link LabError} unless the program ends with 0. Returns standard output. */
  must(argv: readonly string[], options?: ProgramOptions): Promise<string>;
  /** Starts a program that goes on running. */
  start(argv: readonly string[], options?: StartOptions): Promise<Running>;
  /** The path, seen from outside, of a file only the world sees (below /run, /etc, /var). */
  pathOf(inside: string): string;
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly onLine?: (line: string) => void;
}

/** A program that runs in a world. */
export interface Running {
  /** In the world's own numbering: fit for `kill` run in the world. */
  readonly pid: number;
  /** What it has written so far, both streams. */
  output(): string;
  /** Standard output alone. */
  stdout(): string;
  stdin: Writable;
  /** Sends the signal and waits for the end; after `timeoutMs` (default 5 000) SIGKILL follows. */
  end(signal?: NodeJS.Signals, timeoutMs?: number): Promise<void>;
  /** Resolves with the exit status, -1 for a signal. */
  readonly ended: Promise<number>;
}

/** Programs without which no world starts, and the Debian package of each. */
const neededPrograms = {
  unshare: "util-linux",
  nsenter: "util-linux",
  setpriv: "util-linux",
  ip: "iproute2",
  nft: "nftables",
} as const;

/** Starts a world. Throws {@link LabError} naming what this machine lacks. */
export async function startWorld(): Promise<World> {
  await requireMachine();
  const folder = await mkdtemp(join(tmpdir(), "virtwall-world-"));
  const holder = spawn(
    "unshare",
    [
      ...["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
      ...["--propagation", "private", "sh", join(projectRoot(), "lab", "world-holder.sh")],
    ],
    { stdio: ["pipe", "pipe", "pipe"] },
  );
  try {
    await holderReady(holder);
    const pid = await childOf(holder.pid ?? 0);
    return makeWorld(folder, holder, pid);
  } catch (cause) {
    holder.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
    throw cause;
  }
}

async function requireMachine(): Promise<void> {
  if (process.getuid?.() !== 0) throw new LabError("the lab needs root, to make namespaces");
  for (const [program, debianPackage] of Object.entries(neededPrograms)) {
    const found = await runProgram(["sh", "-c", 'command -v "$1"', "sh", program]);
    if (found.status !== 0) {
      throw new LabError(`${program} is missing: apt install ${debianPackage}`);
    }
  }
}

function holderReady(holder: ChildProcessByStdio<Writable, Readable, Readable>): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    const fail = (why: string) => {
      clearTimeout(timer);
      reject(new LabError(`this machine cannot make a private world (${why}): ${said.trim()}`));
    };
    const timer = setTimeout(() => fail("no answer for 20 s"), 20_000);
    const hear = (text: string) => {
      said += text;
      if (!/^ready$/m.test(said)) return;
      clearTimeout(timer);
      resolve();
    };
    holder.stdout.setEncoding("utf8").on("data", hear);
    holder.stderr.setEncoding("utf8").on("data", hear);
    holder.on("error", (cause) => fail(cause.message));
    holder.on("exit", (code) => fail(`exit status ${code ?? "none"}`));
    // Writing to a holder that has ended is no failure of ours.
    holder.stdin.on("error", () => undefined);
  });
}

/** The one child of a process. /proc/PID/task/PID/children is not in every kernel, so all parents are looked at. */
async function childOf(parent: number): Promise<number> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const status = await readFile(`/proc/${name}/status`, "utf8").catch(() => "");
    if (new RegExp(`^PPid:\\s${parent}$`, "m").test(status)) return Number(name);
  }
  throw new LabError(`process ${parent} has no child`);
}

function makeWorld(folder: string, holder: ChildProcess, pid: number): World {
  const entry = ["nsenter", `--target=${pid}`, "--net", "--mount", "--pid", "--"];
  const running = new Set<Running>();
  return {
    folder,
    run: (argv, options) => runProgram([...entry, ...argv], options),
    must: (argv, options) => mustRun([...entry, ...argv], options),
    pathOf: (inside) => join(`/proc/${pid}/root`, inside),
    start: async (argv, options = {}) => {
      const program = await startIn(entry, argv, options);
      running.add(program);
      void program.ended.then(() => running.delete(program));
      return program;
    },
    stop: async () => {
      const gone = new Promise((resolve) => holder.once("exit", resolve));
      const alreadyGone = holder.exitCode !== null || holder.signalCode !== null;
      // The kernel ends every process of the PID namespace with its PID 1.
      holder.stdin?.end();
      const late = setTimeout(() => holder.kill("SIGKILL"), 5_000);
      if (!alreadyGone) await gone;
      clearTimeout(late);
      await Promise.all([...running].map((program) => program.ended));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function startIn(
  entry: readonly string[],
  argv: readonly string[],
  options: StartOptions,
): Promise<Running> {
  // fd 3 carries the pid inside the world; pdeathsig ends the program when nsenter (hence its starter) ends.
  const announce = ["sh", "-c", 'echo "$$" >&3; exec 3>&-; exec "$@"', "sh", ...argv];
  const [program = "", ...rest] = [
    ...entry,
    ...["setpriv", "--pdeathsig", "TERM", "--"],
    ...announce,
  ];
  const child = spawn(program, rest, {
    env: options.env ?? process.env,
    stdio: ["pipe", "pipe", "pipe", "pipe"],
  });
  let output = "";
  let stdout = "";
  let unfinished = "";
  const hear = (text: string) => {
    output += text;
    const lines = (unfinished + text).split("\n");
    unfinished = lines.pop() ?? "";
    if (options.onLine !== undefined) lines.forEach(options.onLine);
  };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    hear(text);
  });
  child.stderr?.setEncoding("utf8").on("data", hear);
  const stdin = child.stdin;
  if (stdin === null) throw new LabError(`${argv.join(" ")} has no standard input`);
  stdin.on("error", () => undefined);
  const ended = new Promise<number>((resolve) => {
    child.on("close", (code) => resolve(code ?? -1));
  });

  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new LabError(`${argv.join(" ")} did not start within 10 s: ${output}`));
    }, 10_000);
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(new LabError(`cannot start ${argv.join(" ")}: ${cause.message}`, { cause }));
    });
    void ended.then((status) => {
      clearTimeout(timer);
      reject(new LabError(`${argv.join(" ")} ended at once with ${status}: ${output}`));
    });
    child.stdio[3]?.once("data", (line: Buffer) => {
      clearTimeout(timer);
      const pid = Number(line.toString());
      const end = async (signal: NodeJS.Signals = "SIGTERM", timeoutMs = 5_000) => {
        await signalIn(entry, pid, signal);
        const late = setTimeout(() => void signalIn(entry, pid, "SIGKILL"), timeoutMs);
        await ended;
        clearTimeout(late);
      };
      resolve({ pid, stdin, ended, end, output: () => output, stdout: () => stdout });
    });
  });
}

async function signalIn(
  entry: readonly string[],
  pid: number,
  signal: NodeJS.Signals,
): Promise<void> {
  // Its failure means that the process is gone already.
  await runProgram([...entry, "kill", `-${signal.slice(3)}`, String(pid)]);
}
