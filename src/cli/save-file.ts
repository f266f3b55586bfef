import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { reasonOf } from "../base/reason-of.ts";
import { writeThroughLink } from "../edge/files/write-atomically.ts";
import { RefusedError } from "./exit-status.ts";

/** Writes a file that a command edits, with its folder. Throws {@link RefusedError} that names it. */
export async function saveFile(file: string, text: string | Uint8Array): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeThroughLink(file, text);
  } catch (cause) {
    const isForRoot = (cause as NodeJS.ErrnoException).code === "EACCES";
    const why = isForRoot ? "permission denied: run it as root" : reasonOf(cause);
    throw new RefusedError(`cannot write ${file}: ${why}`, { cause });
  }
}
