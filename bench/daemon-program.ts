import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BenchWorld, distFolder } from "./bench-world.ts";
import { type Fleet, type FleetPublication, policyText, writeInventory } from "./fleet.ts";
import { Program, run } from "./program.ts";

/** A daemon in the host's namespace, with the gate that it started. */
export class RunningDaemon {
  readonly #world: BenchWorld;
  readonly #folder: string;
  /** The folder of `bin` and `dist`. */
  readonly #root: string;
  readonly #program: Program;
  readonly #startedAt = performance.now();
  #readyMs = NaN;

  private constructor(world: BenchWorld, folder: string, root: string) {
    this.#world = world;
    this.#folder = folder;
    this.#root = root;
    this.#program = new Program(world.host, this.#command("daemon"));
  }

  /** The inventory that it follows. */
  get folder(): string {
    return this.#folder;
  }

  /** From its start to its `ready`. */
  get readyMs(): number {
    return this.#readyMs;
  }

  /**
   * Resolves when it has converged. In restore mode it has no gate: the programs run from a folder in which koffi cannot be found,
   * as on a machine without it.
   */
  static async start(
    world: BenchWorld,
    fleet: Fleet,
    mode: "owner" | "restore",
  ): Promise<RunningDaemon> {
    const folder = mkdtempSync(join(tmpdir(), "virtwall-bench-"));
    writeInventory(fleet, folder);
    writePolicy(folder, policyText(fleet, fleet.publications));
    const root = mode === "owner" ? join(distFolder, "..") : join(folder, "programs");
    if (mode === "restore") copyPrograms(root);
    const daemon = new RunningDaemon(world, folder, root);
    await daemon.#ready();
    const found = await daemon.#protection();
    if (found !== mode) throw new Error(`the daemon is in mode ${found}, not ${mode}`);
    return daemon;
  }

  /** Another daemon in its place; the gate lives on. */
  async restart(): Promise<RunningDaemon> {
    await this.#program.stop();
    const next = new RunningDaemon(this.#world, this.#folder, this.#root);
    await next.#ready();
    return next;
  }

  /** Milliseconds from the deed until the daemon says that the kernel has taken what follows from it. */
  async applies(deed: () => void): Promise<number> {
    const before = this.#program.log.length;
    const startedAt = performance.now();
    deed();
    await this.#program.logged('"event":"applied"', before);
    return performance.now() - startedAt;
  }

  residentMegabytes(): number {
    const status = readFileSync(`/proc/${this.#program.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
  }

  /** Puts other publications into force, as `virtwall apply` does after an edit of the policy. */
  async publish(fleet: Fleet, publications: readonly FleetPublication[]): Promise<void> {
    writePolicy(this.#folder, policyText(fleet, publications));
    await this.command("apply");
  }

  /** Runs a command of virtwall beside it. */
  async command(...words: readonly string[]): Promise<void> {
    await run(this.#world.host, this.#command(...words));
  }

  /** Installs libvirt's hooks for this daemon, and names the folder. */
  async installHooks(): Promise<string> {
    const folder = join(this.#folder, "hooks");
    await this.command("hook", "install", "--hooks-dir", folder);
    return folder;
  }

  async stop(): Promise<void> {
    await this.#program.stop();
    const gate = gatePid(this.#folder);
    if (gate !== undefined) process.kill(gate, "SIGTERM");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    await this.#program.said("ready");
    this.#readyMs = performance.now() - this.#startedAt;
  }

  async #protection(): Promise<string> {
    const text = await run(this.#world.host, this.#command("status", "--json"));
    return (JSON.parse(text) as { protection: { mode: string } }).protection.mode;
  }

  #command(...args: readonly string[]): string[] {
    const options = [
      ["--policy", "policy.yaml"],
      ["--inventory", ""],
      ["--state", "state"],
      ["--socket", "run/virtwall.sock"],
    ].flatMap(([option = "", name = ""]) => [option, join(this.#folder, name)]);
    return [join(this.#root, "bin/virtwall"), ...args, ...options];
  }
}

function writePolicy(folder: string, text: string): void {
  writeFileSync(join(folder, "policy.yaml"), text);
}

function copyPrograms(root: string): void {
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, "package.json"), '{ "type": "module" }\n');
  cpSync(join(distFolder, "../bin"), join(root, "bin"), { recursive: true });
  for (const name of ["cli.js", "daemon.js", "gate.js"]) {
    cpSync(join(distFolder, name), join(root, "dist", name));
  }
}

/** The gate writes its process id into the lock beside its socket. */
function gatePid(folder: string): number | undefined {
  try {
    return Number(readFileSync(join(folder, "run/gate.sock.lock"), "utf8").trim()) || undefined;
  } catch {
    return undefined;
  }
}
