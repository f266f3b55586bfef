import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import type { ExplainCall, ExplainResult } from "../../wire/explain-call.ts";

/** In the bundle it stands beside the daemon's. */
const explainCommand: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL("./cli.js", import.meta.url)),
];

const longestMs = 30_000;
/** More than any answer has, of which each rule that the packet meets is a line. */
const mostBytes = 1024 * 1024;
/** nice(2): whoever asks, packets and guests come first. */
const niceness = 10;

interface ExplainRun {
  readonly command?: readonly string[];
  readonly patienceMs?: number;
  readonly end?: AbortSignal;
}

/**
 * Asks `virtwall explain` in a process of its own, which is ended after half a minute, or by the signal `end`. `options` name a daemon
 * and what it follows, as the command line does. Rejects where no answer was given.
 */
export function runExplain(
  call: ExplainCall,
  options: readonly string[],
  { command = explainCommand, patienceMs = longestMs, end }: ExplainRun = {},
): Promise<ExplainResult> {
  const [program = "", ...first] = command;
  return new Promise((resolve, reject) => {
    const args = [...first, "explain", ...options, ...wordsOf(call)];
    const limits = {
      timeout: patienceMs,
      killSignal: "SIGKILL",
      maxBuffer: mostBytes,
      signal: end,
    } as const;
    const child = execFile(program, args, limits, (error, out, err) => {
      const status = error === null ? 0 : error.code;
      if (typeof status === "number") resolve({ status, out, err });
      else reject(new Error("explain gave no answer", { cause: error }));
    });
    // One that could not be started says so above.
    if (child.pid !== undefined) standBack(child.pid);
  });
}

/** The daemon is spared where memory runs out, and what a reader asks is the first to go (proc_pid_oom_score_adj(5)). */
function standBack(pid: number): void {
  setPriority(pid, niceness);
  writeFileSync(`/proc/${pid}/oom_score_adj`, "1000");
}

function wordsOf({ protocol, from, to, iif, mac, state, json }: ExplainCall): string[] {
  const options = [`--state=${state}`];
  if (iif !== undefined) options.push(`--in=${iif}`);
  if (mac !== undefined) options.push(`--mac=${mac}`);
  if (json) options.push("--json");
  // What was typed is no option, whatever it begins with.
  return [...options, "--", protocol, from, to];
}
