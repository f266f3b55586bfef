import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

import { projectRoot } from "./project-root.ts";
import { LabError } from "./run-program.ts";
import type { Running } from "./running.ts";
import type { World } from "./world.ts";

/** Writes the world's /etc/virtwall/policy.yaml. */
export async function writePolicy(world: World, policy: string): Promise<void> {
  await mkdir(world.pathOf("/etc/virtwall"), { recursive: true });
  await writeFile(world.pathOf("/etc/virtwall/policy.yaml"), policy);
}

function program(): readonly string[] {
  return [process.execPath, join(projectRoot(), "bin", "virtwall")];
}

/** Runs one command of virtwall in the world. */
export function virtwall(world: World, ...words: readonly string[]): Promise<string> {
  return world.must([...program(), ...words]);
}

/** Starts the daemon with all its default paths, which are the world's own; resolves once it says `ready`. */
export async function startVirtwall(world: World): Promise<Running> {
  if (!existsSync(join(projectRoot(), "dist", "daemon.js"))) {
    throw new LabError("dist/daemon.js is missing: npm run build");
  }
  const daemon = await world.start([...program(), "daemon"]);
  const deadline = Date.now() + 60_000;
  while (!/^ready\b/m.test(daemon.stdout())) {
    if (Date.now() > deadline) {
      await daemon.end("SIGKILL");
      throw new LabError(`virtwall daemon is not ready after 60 s:\n${daemon.output()}`);
    }
    await Promise.race([setTimeout(50), daemon.ended.then(endedEarly)]);
  }
  return daemon;

  function endedEarly(status: number): never {
    throw new LabError(`virtwall daemon ended with ${status}:\n${daemon.output()}`);
  }
}
