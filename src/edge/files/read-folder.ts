import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { SourceError, type SourceText } from "../../ports/sources.ts";

/** All files of one kind in a folder, by name. A folder that is not there holds none. */
export async function readFolder(folder: string, extension: string): Promise<SourceText[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    if (isMissing(cause)) return [];
    throw new SourceError(`cannot read ${folder}: ${wordsOf(cause)}`, { cause });
  }
  const texts = names
    .filter((name) => name.endsWith(extension) && !name.startsWith("."))
    .toSorted()
    .map((name) => readNow(join(folder, name)));
  return texts.filter((text) => text !== undefined);
}

/** At once: through the thread pool a thousand small files take five times as long. */
function readNow(file: string): SourceText | undefined {
  try {
    return { file, text: readFileSync(file, "utf8") };
  } catch (cause) {
    return refuse(file, cause);
  }
}

/** Undefined if the file is gone. */
export async function readText(file: string): Promise<SourceText | undefined> {
  try {
    return { file, text: await readFile(file, "utf8") };
  } catch (cause) {
    return refuse(file, cause);
  }
}

function refuse(file: string, cause: unknown): undefined {
  if (isMissing(cause)) return undefined;
  throw new SourceError(`cannot read ${file}: ${wordsOf(cause)}`, { cause });
}

function isMissing(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException).code === "ENOENT";
}

/** Node puts the path and the call into the message; the first part is the reason. */
function wordsOf(cause: unknown): string {
  const { message } = cause as Error;
  return /^[A-Z]+: ([^,]+)/.exec(message)?.[1] ?? message;
}
