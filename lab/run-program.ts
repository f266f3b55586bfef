import { spawn } from "node:child_process";

export interface ProgramResult {
  /** Exit status; 128 + signal number is never used: a signal is -1. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly input?: string | undefined;
  /** After this many milliseconds the program is killed and the call fails. Default 120 000. */
  readonly timeoutMs?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** What the lab could not do on this machine, with the program's own words. */
export class LabError extends Error {
  override readonly name = "LabError";
}

/** Runs a program to its end, whatever its exit status. Throws {@link LabError} when it cannot start or takes too long. */
export function runProgram(
  argv: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  const [program = "", ...rest] = argv;
  const timeoutMs = options.timeoutMs ?? 120_000;
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, {
      env: options.env ?? process.env,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdio: ["pipe", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new LabError(`\`${argv.join(" ")}\` took longer than ${timeoutMs} ms\n${stderr}`));
    }, timeoutMs);
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    // A program that ends without reading its input is no failure of ours.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(new LabError(`cannot run ${program}: ${cause.message}`, { cause }));
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ status: code ?? -1, stdout, stderr });
    });
  });
}

/** As {@link runProgram}, but any exit status but 0 is a {@link LabError}. Returns standard output. */
export async function mustRun(
  argv: readonly string[],
  options: ProgramOptions = {},
): Promise<string> {
  const result = await runProgram(argv, options);
  if (result.status === 0) return result.stdout;
  throw new LabError(
    `\`${argv.join(" ")}\` ended with ${result.status}:\n${result.stderr}${result.stdout}`,
  );
}
