import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

import { projectRoot } from "./project-root.ts";
import { LabError, type ProgramOptions, type ProgramResult } from "./run-program.ts";
import type { World } from "./world.ts";

/** A systemd that runs in a world. */
export interface Systemd {
  /** Before a command that is to run where systemd is PID 1. */
  readonly inside: readonly string[];
  /** Runs a program there to its end, in the environment that systemd was started with. */
  run(...argv: readonly string[]): Promise<ProgramResult>;
  /** The same, and any exit status but 0 is a {@link LabError}. Gives its standard output. */
  must(...argv: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

/** Starts the systemd of the world's Debian, as far as basic.target. */
export async function startSystemd(world: World, options: ProgramOptions): Promise<Systemd> {
  const script = await readFile(join(projectRoot(), "lab", "systemd.sh"), "utf8");
  const starter = await world.start(["sh", "-c", script], options.env ? { env: options.env } : {});
  let hasEnded = false;
  void starter.ended.then(() => (hasEnded = true));
  const deadline = Date.now() + 60_000;
  for (;;) {
    const { stdout } = await world.run(["pgrep", "-o", "-x", "systemd"], options);
    const pid = stdout.trim();
    const inside = ["nsenter", `--target=${pid}`, "--mount", "--pid", "--root", "--wd", "--"];
    if (pid !== "") {
      const ask = ["systemctl", "is-active", "basic.target"];
      if ((await world.run([...inside, ...ask], options)).stdout === "active\n") {
        return {
          inside,
          run: (...argv) => world.run([...inside, ...argv], options),
          must: (...argv) => world.must([...inside, ...argv], options),
          stop: () => starter.end("SIGTERM", 15_000),
        };
      }
    }
    if (hasEnded || Date.now() > deadline)
      throw new LabError(`systemd does not start: ${starter.output()}`);
    await setTimeout(100);
  }
}
