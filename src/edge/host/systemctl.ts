import { existsSync } from "node:fs";
import { type ApartRun, ProgramError, runApart } from "./run-apart.ts";

/** A process does not end, or a service does not start, in the words of whoever was to see to it. */
export class ProcessError extends Error {
  override readonly name = "ProcessError";
}

/** Throws {@link ProcessError}. */
export async function systemctl(args: readonly string[], bounds?: ApartRun): Promise<string> {
  try {
    return await runApart("systemctl", args, bounds);
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    throw new ProcessError(`systemctl ${args.join(" ")}: ${error.message}`, { cause: error });
  }
}

/** Whether systemd runs this machine (sd_booted(3)), and knows the unit. */
export async function hasUnit(unit: string): Promise<boolean> {
  if (!existsSync("/run/systemd/system")) return false;
  return systemctl(["cat", unit]).then(
    () => true,
    () => false,
  );
}

/**
 * Whether systemd runs the unit, or is about to: after the death of one that it restarts, too. A manager that does not answer within
 * the time runs none.
 */
export async function isUnitUp(unit: string, timeoutMs: number): Promise<boolean> {
  if (!existsSync("/run/systemd/system")) return false;
  const asked = ["show", "--property=ActiveState,Job", unit];
  const state = await systemctl(asked, { timeoutMs }).catch(() => "");
  return /^ActiveState=(active|activating|deactivating)$|^Job=[1-9]/m.test(state);
}
