import { execFile } from "node:child_process";
import { existsSync } from "node:fs";

/** A process does not end, or a service does not start, in the words of whoever was to see to it. */
export class ProcessError extends Error {
  override readonly name = "ProcessError";
}

/** Throws {@link ProcessError}. */
export function systemctl(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile("systemctl", args, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const words = stderr.trim() || error.message;
      reject(new ProcessError(`systemctl ${args.join(" ")}: ${words}`, { cause: error }));
    });
  });
}

/** Whether systemd runs this machine (sd_booted(3)), and knows the unit. */
export async function hasUnit(unit: string): Promise<boolean> {
  if (!existsSync("/run/systemd/system")) return false;
  return systemctl(["cat", unit]).then(
    () => true,
    () => false,
  );
}
