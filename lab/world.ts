import { spawn, type ChildProcess, type ChildProcessByStdio } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

import { cacheFolder } from "./cache-folder.ts";
import { projectRoot } from "./project-root.ts";
import {
  LabError,
  mustRun,
  runProgram,
  type ProgramOptions,
  type ProgramResult,
} from "./run-program.ts";
import { startIn, type Running, type StartOptions } from "./running.ts";

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

/** Programs without which no world starts, and the Debian package of each. */
const neededPrograms = {
  unshare: "util-linux",
  nsenter: "util-linux",
  setpriv: "util-linux",
  ip: "iproute2",
  nft: "nftables",
} as const;

export interface WorldOptions {
  /** The root folder of another Debian to live in; read, never written. Default: the machine's own. */
  readonly root?: string;
  /** That Debian sees nothing of the machine but the world's folder: neither this project nor the Node that runs it. */
  readonly isBare?: boolean;
}

/** Starts a world. Throws {@link LabError} naming what this machine lacks. */
export async function startWorld({ root, isBare }: WorldOptions = {}): Promise<World> {
  await requireMachine();
  const folder = await mkdtemp(join(tmpdir(), "virtwall-world-"));
  await mkdir(cacheFolder(), { recursive: true });
  const machine = isBare === true ? [] : [cacheFolder(), projectRoot(), process.execPath];
  const ownSpaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const holderProgram = [
    "sh",
    join(projectRoot(), "lab", "world-holder.sh"),
    ...(root === undefined ? [] : [root, folder, ...machine]),
  ];
  const holder = spawn("unshare", [...ownSpaces, "--propagation", "private", ...holderProgram], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  try {
    await holderReady(holder);
    const pid = await childOf(holder.pid ?? 0);
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
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
  const entry = ["nsenter", `--target=${pid}`, "--net", "--mount", "--pid", "--root", "--wd", "--"];
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
