import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { builtPrograms, RunningDaemon, until } from "../kernel/daemon-program.ts";
import type { DaemonStatus } from "../../src/wire/daemon-status.ts";
import type { World } from "./world.ts";

/** virtwall as it is shipped, on the host of a world, with the policy and inventory of a case. */
export class VirtwallOnHost {
  readonly folder = mkdtempSync("/run/on-host-");
  readonly policyFile = join(this.folder, "policy.yaml");
  readonly #world: World;
  readonly #inventory: string;
  readonly #env: NodeJS.ProcessEnv;
  #daemon: RunningDaemon | undefined;

  constructor(
    world: World,
    site: { readonly policy: string; readonly inventory: string; readonly env?: NodeJS.ProcessEnv },
  ) {
    this.#world = world;
    this.#inventory = site.inventory;
    this.#env = { ...process.env, ...site.env };
    writeFileSync(this.policyFile, site.policy);
  }

  async start(): Promise<void> {
    this.#daemon = this.launch("daemon");
    await this.#daemon.said("ready");
  }

  /** Starts a command that goes on. */
  launch(...words: readonly string[]): RunningDaemon {
    const [command, ...args] = this.words(...words);
    const stdio = ["ignore", "pipe", "pipe"] as const;
    return new RunningDaemon(spawn(command, args, { stdio: [...stdio], env: this.#env }));
  }

  get log(): string {
    return this.#daemon?.output ?? "";
  }

  run(...command: readonly string[]): { readonly status: number | null; readonly text: string } {
    const [program, ...args] = this.words(...command);
    const options = { encoding: "utf8", timeout: 60_000, env: this.#env } as const;
    const { status, stdout, stderr } = spawnSync(program, args, options);
    return { status, text: stdout + stderr };
  }

  status(): DaemonStatus {
    return JSON.parse(this.run("status", "--json").text) as DaemonStatus;
  }

  /** Waits until the daemon knows of nothing that would keep guests from what they may have. */
  untilAtPeace(): Promise<void> {
    const isUneasy = () => {
      const { errors, integration } = this.status();
      return errors.length > 0 || integration.chains.some(({ state }) => state === "needed");
    };
    return until(
      () => !isUneasy(),
      () => JSON.stringify(this.status().integration, undefined, 1) + this.log,
    );
  }

  /** Waits for what the daemon says of other firewalls. */
  untilIntegrated(
    isRight: (chains: DaemonStatus["integration"]["chains"]) => boolean,
  ): Promise<void> {
    const chains = () => this.status().integration.chains;
    return until(
      () => isRight(chains()),
      () => JSON.stringify(chains(), undefined, 1) + this.log,
    );
  }

  /** Ends the daemon and takes everything away. */
  clean(): void {
    const { status, text } = this.run("stop", "--clean");
    if (status !== 0) throw new Error(`stop --clean: ${text}`);
  }

  /** The program and its arguments. */
  words(...command: readonly string[]): [string, ...string[]] {
    const { folder, policyFile } = this;
    const where = ["--policy", policyFile, "--inventory", this.#inventory];
    const own = ["--state", join(folder, "state"), "--socket", join(folder, "run/virtwall.sock")];
    const options = [...where, ...own];
    const program = join(builtPrograms, "bin/virtwall");
    const namespace = ["ip", "netns", "exec", this.#world.hostNamespace] as const;
    const isDaemon = command[0] === "daemon";
    const words = isDaemon ? [...command, ...options] : [...options, ...command];
    return [...namespace, process.execPath, program, ...words];
  }
}
