import { homedir } from "node:os";
import { join } from "node:path";

import { projectRoot } from "./project-root.ts";
import { mustRun } from "./run-program.ts";

/** Where downloads and built images stay between runs: never in the checkout. */
export function cacheFolder(): string {
  const named = process.env["VIRTWALL_LAB_CACHE"];
  if (named !== undefined && named !== "") return named;
  const base = process.env["XDG_CACHE_HOME"];
  return join(base === undefined || base === "" ? join(homedir(), ".cache") : base, "virtwall-lab");
}

/** The folder in the cache that a script of the lab fills when it is not there, and names. Throws {@link LabError}. */
export async function cached(
  script: string,
  timeoutMs: number,
  ...words: readonly string[]
): Promise<string> {
  const file = join(projectRoot(), "lab", script);
  const said = await mustRun(["sh", file, cacheFolder(), ...words], { timeoutMs });
  return said.trim();
}
