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
    .map((name) => readText(join(folder, name)));
  return (await Promise.all(texts)).filter((text) => text !== undefined);
}

/** Undefined if the file is gone. */
export async function readText(file: string): Promise<SourceText | undefined> {
  try {
    return { file, text: await readFile(file, "utf8") };
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw new SourceError(`cannot read ${file}: ${wordsOf(cause)}`, { cause });
  }
}

function isMissing(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException).code === "ENOENT";
}

/** Node puts the path and the call into the message; the first part is the reason. */
function wordsOf(cause: unknown): string {
  const { message } = cause as Error;
  return /^[A-Z]+: ([^,]+)/.exec(message)?.[1] ?? message;
}
