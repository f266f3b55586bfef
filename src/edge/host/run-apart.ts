import { spawn } from "node:child_process";

/** A program that cannot be started, or says by its status that it failed; the message is what it printed, if anything. */
export class ProgramError extends Error {
  override readonly name = "ProgramError";
  /** As of node's errors: `ENOENT` where there is no such program. */
  readonly code: string | undefined;

  constructor(message: string, cause?: NodeJS.ErrnoException) {
    super(message, cause && { cause });
    this.code = cause?.code;
  }
}

export interface ApartRun {
  /** For its standard input. */
  readonly input?: string;
  /** It is ended after that long. */
  readonly timeoutMs?: number;
  /** It is ended once it has printed that much, and what it printed is given. */
  readonly mostBytes?: number;
}

/**
 * Runs a program to its end, in the C locale and in a session of its own: ^C at the terminal is for whoever waits for it, and may have to
 * undo what it did. Gives what it printed. Throws {@link ProgramError}.
 */
export function runApart(
  program: string,
  args: readonly string[],
  { input = "", timeoutMs, mostBytes = Infinity }: ApartRun = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      detached: true,
      env: { ...process.env, LC_ALL: "C" },
      timeout: timeoutMs,
    });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    let printed = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      stdout.push(chunk);
      printed += chunk.length;
      if (printed >= mostBytes) child.kill();
    });
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.once("error", (cause) => reject(new ProgramError(cause.message, cause)));
    child.once("close", (code, signal) => {
      if (code === 0 || printed >= mostBytes) return resolve(Buffer.concat(stdout).toString());
      const words = Buffer.concat(stderr).toString().trim();
      reject(new ProgramError(words || `it ended with ${code ?? signal ?? "no status"}`));
    });
    // One that ends before it has read everything says why by its status.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}
