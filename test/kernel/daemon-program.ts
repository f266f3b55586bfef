import { spawn, spawnSync, type ChildProcess, type StdioOptions } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import type { DaemonStatus } from "../../src/wire/daemon-status.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** In this tree and no other, where the gate finds koffi. */
export const builtPrograms = join(root, ".cache/programs", String(process.pid));

/** Bundles the three programs of this tree as they are shipped. */
export async function buildPrograms(): Promise<void> {
  for (const name of ["cli", "daemon", "gate"]) {
    const input = { [name]: join(root, "src", name, "main.ts") };
    const bundle = await rolldown({ input, platform: "node", external: ["koffi"] });
    await bundle.write({
      dir: join(builtPrograms, "dist"),
      format: "esm",
      entryFileNames: "[name].js",
    });
    await bundle.close();
  }
  mkdirSync(join(builtPrograms, "bin"), { recursive: true });
  cpSync(join(root, "bin/virtwall"), join(builtPrograms, "bin/virtwall"));
  writeFileSync(join(builtPrograms, "package.json"), '{ "type": "module" }');
}

/** The same programs where koffi is not installed, so that no gate can run. */
export function programsWithoutKoffi(): string {
  const folder = mkdtempSync("/run/programs-");
  cpSync(builtPrograms, folder, { recursive: true });
  return folder;
}

/** Everything that one daemon reads and writes, in a folder of its own. */
export class Site {
  readonly folder = mkdtempSync("/run/site-");
  readonly policyFile = join(this.folder, "policy.yaml");
  readonly inventory = join(this.folder, "inventory");
  readonly state = join(this.folder, "state");
  readonly socket = join(this.folder, "run/virtwall.sock");
  readonly #running: RunningDaemon[] = [];
  readonly #programs: string;

  constructor(policy: string, programs = builtPrograms) {
    this.#programs = programs;
    cpSync(join(root, "test/inventories/open"), this.inventory, { recursive: true });
    this.writePolicy(policy);
  }

  get options(): readonly string[] {
    const { policyFile, inventory, state, socket } = this;
    return ["--policy", policyFile, "--inventory", inventory, "--state", state, "--socket", socket];
  }

  writePolicy(text: string): void {
    writeFileSync(this.policyFile, text);
  }

  /** Changes a file of the inventory. */
  edit(file: string, change: (text: string) => string): void {
    const path = join(this.inventory, file);
    writeFileSync(path, change(readFileSync(path, "utf8")));
  }

  /** Runs a command to its end. Options among the arguments win over the site's own. */
  run(
    args: readonly string[],
    spawnOptions: { uid?: number; env?: NodeJS.ProcessEnv; stdio?: StdioOptions } = {},
  ): Ended {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(this.#programs, "bin/virtwall"), ...this.options, ...args],
      // A command in the midst of a change takes no SIGTERM.
      { encoding: "utf8", timeout: 30_000, killSignal: "SIGKILL", ...spawnOptions },
    );
    return { status, stdout, stderr };
  }

  status(): DaemonStatus {
    return JSON.parse(this.run(["status", "--json"]).stdout) as DaemonStatus;
  }

  /** Starts the daemon and waits until it says that it is ready. */
  async start(): Promise<RunningDaemon> {
    const daemon = this.launch();
    await daemon.said("ready");
    return daemon;
  }

  launch(env: NodeJS.ProcessEnv = process.env, more: readonly string[] = []): RunningDaemon {
    return this.begin(["daemon", ...this.options, ...more], env);
  }

  /** Starts a command; {@link close} ends it. */
  begin(words: readonly string[], env: NodeJS.ProcessEnv = process.env): RunningDaemon {
    const args = [join(this.#programs, "bin/virtwall"), ...words];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"], env });
    const begun = new RunningDaemon(child);
    this.#running.push(begun);
    return begun;
  }

  /** Processes that wait for a confirmation, or take back what was not confirmed. */
  waiters(): readonly number[] {
    const pattern = `unless-confirmed .*${this.state}`;
    const { stdout } = spawnSync("pgrep", ["-f", pattern], { encoding: "utf8" });
    return stdout.split("\n").filter(Boolean).map(Number);
  }

  /** Ends what this site started, its daemons and whoever outlives them, and takes the rules away. */
  async close(): Promise<void> {
    for (const begun of this.#running) await begun.kill("SIGKILL");
    // They would write their rules into another test's.
    await until(() => {
      for (const waiter of this.waiters()) spawnSync("kill", ["-KILL", String(waiter)]);
      return this.waiters().length === 0;
    });
    const gate = this.gatePid();
    if (gate !== undefined) process.kill(gate, "SIGKILL");
    // The kernel lets go of an owner's tables a moment after the owner is gone.
    await until(() => {
      nft("flush", "ruleset");
      return nft("list", "tables") === "";
    });
  }

  gatePid(): number | undefined {
    const { stdout } = this.run(["status", "--json"]);
    return stdout === "" ? undefined : (JSON.parse(stdout) as DaemonStatus).gate?.pid;
  }
}

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class RunningDaemon {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output = "";

  constructor(child: ChildProcess) {
    this.child = child;
    const collect = (text: string): void => {
      this.output += text;
    };
    child.stdout?.setEncoding("utf8").on("data", collect);
    child.stderr?.setEncoding("utf8").on("data", collect);
    this.ended = new Promise((resolve) => child.once("close", (code) => resolve(code)));
  }

  said(words: string): Promise<void> {
    return until(
      () => this.output.includes(words),
      () => this.output,
    );
  }

  async kill(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** Looks every few milliseconds; throws when it does not come true in half a minute. */
export async function until(isTrue: () => boolean, tell = (): string => ""): Promise<void> {
  const end = Date.now() + 30_000;
  while (!isTrue()) {
    if (Date.now() > end) throw new Error(`it did not come true: ${tell() || isTrue.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function nft(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync("nft", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`nft ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** Whether our ruleset holds this text now. */
export function holds(text: string): boolean {
  const { stdout } = spawnSync("nft", ["list", "table", "inet", "virtwall"], { encoding: "utf8" });
  return stdout.includes(text);
}
