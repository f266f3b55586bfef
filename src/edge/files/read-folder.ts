import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  statSync,
} from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { reasonOf } from "../../base/reason-of.ts";
import { SourceError, type SourceText } from "../../ports/sources.ts";

/** The parsers take no file as large as this. */
const limitBytes = 64 << 20;
const notRegular = "not a regular file";

interface FolderReading {
  /**
   * With `name`, what has such a name and is no file, or a link to nothing, is there without a text; else that is thrown, and this
   * passed over.
   */
  readonly others?: "throw" | "name";
  /** {@link readText} by default. */
  readonly read?: typeof readText;
}

/** All files of one kind in a folder, by name. A folder that is not there holds none. */
export async function readFolder(
  folder: string,
  extension: string,
  { others = "throw", read = readText }: FolderReading = {},
): Promise<SourceText[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    if (isMissing(cause)) return [];
    throw new SourceError(`cannot read ${folder}: ${reasonOf(cause)}`, { cause });
  }
  const texts = names
    .filter((name) => name.endsWith(extension) && !name.startsWith("."))
    .toSorted()
    .map((name) => {
      const file = join(folder, name);
      return (others === "name" && unreadText(file)) || read(file);
    });
  return texts.filter((text) => text !== undefined);
}

function unreadText(file: string): SourceText | undefined {
  const unread = (reason: string) => ({ file, text: "", unread: reason });
  const entry = lstatSync(file, { throwIfNoEntry: false });
  if (entry?.isSymbolicLink() && !existsSync(file)) return unread("it is a link to nothing");
  const found = entry && statSync(file, { throwIfNoEntry: false });
  return found === undefined || found.isFile() ? undefined : unread(notRegular);
}

/** At once: through the thread pool a thousand small files take five times as long. Undefined if the file is gone. */
export function readText(file: string): SourceText | undefined {
  try {
    return { file, text: readRegular(file) };
  } catch (cause) {
    return refuse(file, cause);
  }
}

/** A pipe may never have an end, and a device have none: opening the one without waiting and reading neither. */
function readRegular(file: string): string {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(descriptor);
    if (!found.isFile()) throw new Error(notRegular);
    if (found.size > limitBytes) throw new Error(`larger than ${limitBytes >> 20} MiB`);
    return readFileSync(descriptor, "utf8");
  } finally {
    closeSync(descriptor);
  }
}

function refuse(file: string, cause: unknown): undefined {
  if (isMissing(cause)) return undefined;
  throw new SourceError(`cannot read ${file}: ${reasonOf(cause)}`, { cause });
}

function isMissing(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException).code === "ENOENT";
}
