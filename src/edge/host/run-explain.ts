import { execFile } from "node:child_process";
import { setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import type { ExplainCall, ExplainResult } from "../../wire/explain-call.ts";

/** In the bundle it stands beside the daemon's. */
const command = fileURLToPath(new URL("./cli.js", import.meta.url));

const longestMs = 30_000;
/** More than any answer has, of which each rule that the packet meets is a line. */
const mostBytes = 1024 * 1024;
/** nice(2): whoever asks, packets and guests come first. */
const niceness = 10;

/**
 * Asks `virtwall explain` in a process of its own, ended with all that it started after half a minute. `options` name a daemon and what
 * it follows, as the command line does. Rejects where no answer was given.
 */
export function runExplain(call: ExplainCall, options: readonly string[]): Promise<ExplainResult> {
  return new Promise((resolve, reject) => {
    const args = [command, "explain", ...options, ...wordsOf(call)];
    const how = { detached: true, maxBuffer: mostBytes } as const;
    const child = execFile(process.execPath, args, how, (error, out, err) => {
      clearTimeout(timer);
      const status = error === null ? 0 : error.code;
      if (typeof status === "number") resolve({ status, out, err });
      else reject(new Error("explain gave no answer", { cause: error }));
    });
    const { pid } = child;
    // One that could not be started says so above.
    const timer = setTimeout(() => pid !== undefined && endGroup(pid), longestMs);
    if (pid !== undefined) setPriority(pid, niceness);
  });
}

function wordsOf({ protocol, from, to, iif, mac, state, json }: ExplainCall): string[] {
  const options = [`--state=${state}`];
  if (iif !== undefined) options.push(`--in=${iif}`);
  if (mac !== undefined) options.push(`--mac=${mac}`);
  if (json) options.push("--json");
  // What was typed is no option, whatever it begins with.
  return [...options, "--", protocol, from, to];
}

function endGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}
