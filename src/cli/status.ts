import { askDaemon } from "../edge/socket/daemon-client.ts";
import { noDaemon } from "./events.ts";
import { exitStatus, RefusedError, type ExitStatus } from "./exit-status.ts";
import { printJson, type Output } from "./output.ts";
import { printStatus } from "./print-status.ts";
import { hasErrors } from "./print-problems.ts";
import type { Settings } from "./settings.ts";

/** Exit status 1 while something is wrong: errors in what is written, or something the daemon could not do. */
export async function runStatus(settings: Settings, output: Output): Promise<ExitStatus> {
  const reply = await askDaemon(settings.daemonSocket, { request: "status" });
  if (reply?.kind !== "status") throw new RefusedError(noDaemon(settings.daemonSocket));
  const { status } = reply;
  if (settings.json) printJson(output, status);
  else output.out(printStatus(status));
  const isWell = status.errors.length === 0 && !hasErrors(status.policy.problems);
  return isWell ? exitStatus.ok : exitStatus.problems;
}
