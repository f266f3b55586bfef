import { join } from "node:path";

import { projectRoot } from "./project-root.ts";
import { mustRun } from "./run-program.ts";

/**
 * Makes a plain JavaScript file of a TypeScript program of the checkout, since Node 20 runs no TypeScript and
 * the program has to run in a process of its own, inside a world. Returns the file's path.
 */
export async function bundleProgram(source: string, folder: string): Promise<string> {
  const root = projectRoot();
  const target = join(folder, source.replaceAll("/", "-").replace(/\.ts$/, ".mjs"));
  const rolldown = join(root, "node_modules/rolldown/bin/cli.mjs");
  const options = ["--platform", "node", "--format", "esm", "--file", target];
  await mustRun([process.execPath, rolldown, join(root, source), ...options]);
  return target;
}
