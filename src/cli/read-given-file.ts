import { readFile } from "node:fs/promises";
import { UsageError } from "./exit-status.ts";

/** A file that was named on the command line; `-` is standard input. */
export async function readGivenFile(file: string): Promise<string> {
  try {
    return await readFile(file === "-" ? "/dev/stdin" : file, "utf8");
  } catch (error) {
    throw new UsageError(`Failed to open file '${file}': ${reasonOf(error as Error)}`);
  }
}

/** Node puts a code before the reason and the call behind it, and has words of its own for a folder. */
function reasonOf({ message, code }: NodeJS.ErrnoException): string {
  if (code === "EISDIR") return "is a directory";
  const [, reason = message] = /^[A-Z]+: ([^,]+)/.exec(message) ?? [];
  return reason;
}
