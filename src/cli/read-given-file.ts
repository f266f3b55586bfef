import { readFile } from "node:fs/promises";
import { reasonOf } from "../base/reason-of.ts";
import { ComplaintError } from "./exit-status.ts";

/** A file that was named on the command line; `-` is standard input. */
export async function readGivenFile(file: string): Promise<string> {
  try {
    return await readFile(file === "-" ? "/dev/stdin" : file, "utf8");
  } catch (error) {
    // Node has words of its own for a folder.
    const isFolder = (error as NodeJS.ErrnoException).code === "EISDIR";
    const words = isFolder ? "is a directory" : reasonOf(error);
    throw new ComplaintError(`Failed to open file '${file}': ${words}`);
  }
}
