import { existsSync } from "node:fs";
import { ProgramError, runApart } from "./run-apart.ts";

/** A process does not end, or a service does not start, in the words of whoever was to see to it. */
export class ProcessError extends Error {
  override readonly name = "ProcessError";
}

/** Throws {@link ProcessError}. */
export async function systemctl(args: readonly string[]): Promise<string> {
  try {
    return await runApart("systemctl", args);
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

/** Whether systemd runs the unit, or is about to: after the death of one that it restarts, too. */
export async function isUnitUp(unit: string): Promise<boolean> {
  if (!existsSync("/run/systemd/system")) return false;
  const state = await systemctl(["show", "--property=ActiveState,Job", unit]).catch(() => "");
  return /^ActiveState=(active|activating|deactivating)$|^Job=[1-9]/m.test(state);
}
