import { CommanderError } from "commander";
import { reasonOf } from "../base/reason-of.ts";
import {
  ComplaintError,
  exitStatus,
  RefusedError,
  UsageError,
  type ExitStatus,
} from "./exit-status.ts";
import { printJson, processOutput } from "./output.ts";
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

/** On standard error for people; with `--json` on standard output too, in one shape whatever the exit status. */
function explain(error: unknown): ExitStatus {
  if (error instanceof CommanderError) return explainUsage(error);
  const status = statusOf(error);
  if (status === undefined) throw error;
  const { message, missing } = error as Refusal;
  const advice = missing === undefined ? "" : `: apt install ${missing}`;
  printError({ message, missing: missing ?? null });
  processOutput.err(`virtwall: ${message}${advice}\n`);
  return status;
}

/** commander has said it to people already. */
function explainUsage({ exitCode, code, message }: CommanderError): ExitStatus {
  if (exitCode === 0) return exitStatus.ok;
  const words =
    code === "commander.help" ? "a command is missing" : message.replace(/^error: /, "");
  printError({ message: words, missing: null });
  return exitStatus.usage;
}

function statusOf(error: unknown): ExitStatus | undefined {
  if (error instanceof UsageError) return exitStatus.usage;
  if (error instanceof ComplaintError) return exitStatus.problems;
  return isRefusal(error) ? exitStatus.refused : undefined;
}

function printError(error: { readonly message: string; readonly missing: string | null }): void {
  if (process.argv.includes("--json")) printJson(processOutput, { error });
}

// `virtwall status | head -1` closes the pipe early: nobody is left to be told.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(process.exitCode ?? exitStatus.ok);
  processOutput.err(`virtwall: the output cannot be written: ${reasonOf(error)}\n`);
  process.exit(exitStatus.refused);
});
process.stderr.on("error", () => undefined);
process.exitCode = await main();
