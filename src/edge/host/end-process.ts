import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { ProcessError, systemctl } from "./systemctl.ts";

const patienceMs = 15_000;

/**
 * Ends a process and waits until it is gone. Where systemd keeps it as the main process of a service, the service is stopped, since
 * it would start it again. Throws {@link ProcessError}.
 */
export async function endProcess(pid: number): Promise<void> {
  const unit = await serviceOf(pid);
  if (unit === undefined) terminate(pid);
  else await systemctl(["stop", unit]);
  const deadline = performance.now() + patienceMs;
  while (await isAlive(pid)) {
    if (performance.now() > deadline) throw new ProcessError(`process ${pid} does not end`);
    await setTimeout(10);
  }
}

function terminate(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ESRCH") return;
    throw new ProcessError(`process ${pid} cannot be ended: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** The control group alone does not tell: whatever a service starts is in its group. */
async function serviceOf(pid: number): Promise<string | undefined> {
  const groups = await readFile(`/proc/${pid}/cgroup`, "utf8").catch(() => "");
  const unit = /\/([\w.@:-]+\.service)$/m.exec(groups)?.[1];
  if (unit === undefined) return undefined;
  const main = await systemctl(["show", "--property=MainPID", "--value", unit]).catch(() => "");
  return main.trim() === String(pid) ? unit : undefined;
}

/** A zombie has ended: only its parent has not looked yet. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat !== "" && !/^\d+ \(.*\) [ZX] /s.test(stat);
}
