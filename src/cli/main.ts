import { CommanderError } from "commander";
import { exitStatus, RefusedError, UsageError, type ExitStatus } from "./exit-status.ts";
import { processOutput } from "./output.ts";
import { buildProgram } from "./program.ts";

/** What the ports throw: the machine's words, and the package that would help. */
interface Refusal extends Error {
  readonly missing?: string | undefined;
  readonly script?: string | undefined;
}

const refusals: ReadonlySet<string> = new Set([
  "KernelError",
  "SourceError",
  "StateError",
  "XtablesError",
  "DaemonError",
  "RulesetFileError",
  "HookFileError",
  "ProcessError",
  "NetworkError",
  "AdoptionError",
]);

function isRefusal(error: unknown): error is Refusal {
  return error instanceof RefusedError || (error instanceof Error && refusals.has(error.name));
}

async function main(): Promise<ExitStatus> {
  let status: ExitStatus = exitStatus.ok;
  const program = buildProgram(processOutput, (result) => (status = result));
  try {
    await program.parseAsync();
    return status;
  } catch (error) {
    return explain(error);
  }
}

function explain(error: unknown): ExitStatus {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? exitStatus.ok : exitStatus.usage;
  }
  if (error instanceof UsageError) {
    processOutput.err(`virtwall: ${error.message}\n`);
    return exitStatus.usage;
  }
  if (!isRefusal(error)) throw error;
  const advice = error.missing === undefined ? "" : `: apt install ${error.missing}`;
  if (process.argv.includes("--json")) {
    const { message, missing } = error;
    processOutput.out(`${JSON.stringify({ error: { message, missing: missing ?? null } })}\n`);
  }
  processOutput.err(`virtwall: ${error.message}${advice}\n`);
  return exitStatus.refused;
}

// `virtwall status | head -1` closes the pipe early: nobody is left to be told.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(process.exitCode ?? exitStatus.ok);
  const [, words = error.message] = /^[A-Z]+: ([^,]+)/.exec(error.message) ?? [];
  processOutput.err(`virtwall: the output cannot be written: ${words}\n`);
  process.exit(exitStatus.refused);
});
process.exitCode = await main();
