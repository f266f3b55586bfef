import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Who belongs to it may see what root sees, and change nothing. */
export const readersGroup = "virtwall";

/** Where the daemon answers the group. A file of its own: the kernel then tells who may ask, and nobody need ask the kernel. */
export function readersSocketOf(daemonSocket: string): string {
  return join(dirname(daemonSocket), "readers.sock");
}

/** Undefined where there is no such group. One of a directory service is not seen: a package makes a local one. */
export function readersGroupId(file = "/etc/group"): number | undefined {
  let lines: readonly string[];
  try {
    lines = readFileSync(file, "utf8").split("\n");
  } catch {
    return undefined;
  }
  const fields = lines.map((line) => line.split(":")).find(([name]) => name === readersGroup);
  const id = fields?.[2] ?? "";
  return /^[0-9]+$/.test(id) ? Number(id) : undefined;
}
