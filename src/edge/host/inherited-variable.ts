import { readFileSync } from "node:fs";

/**
 * A variable of the environment, or else what it was for the nearest process above this one that has it: sudo passes few of them on, and
 * was given them all. Undefined where none has it, or may not be read.
 */
export function inheritedVariable(name: string): string | undefined {
  const own = process.env[name];
  if (own !== undefined) return own;
  for (let pid = process.ppid; pid > 1; pid = parentOf(pid)) {
    const entries = readProcess(pid, "environ").split("\0");
    const found = entries.find((entry) => entry.startsWith(`${name}=`));
    if (found !== undefined) return found.slice(name.length + 1);
  }
  return undefined;
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readProcess(pid, "status"))?.[1] ?? 0);
}

/** It may have ended. */
function readProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return "";
  }
}
