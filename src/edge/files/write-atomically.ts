import { open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * The file holds the old text or the new one, whatever happens in between; the text is on the disk when this returns. An existing
 * file keeps its mode and owner. Throws node's error, the temporary file removed.
 */
export async function writeAtomically(file: string, text: string): Promise<void> {
  const old = await stat(file).catch(() => undefined);
  const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.new`);
  try {
    const handle = await open(temporary, "w", old ? old.mode & 0o7777 : 0o644);
    try {
      // The umask may have taken some of it away.
      if (old) await handle.chmod(old.mode & 0o7777);
      if (old) await handle.chown(old.uid, old.gid);
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncFolder(dirname(file));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The same where a person may have put a link to a file kept elsewhere: it stays a link. */
export async function writeThroughLink(file: string, text: string): Promise<void> {
  await writeAtomically(await realpath(file).catch(() => file), text);
}

/** The same, but a file that says so already is left alone: a disk takes its time. */
export async function writeWhereOther(file: string, text: string): Promise<void> {
  const known = await readFile(file, "utf8").catch(() => undefined);
  if (known !== text) await writeAtomically(file, text);
}

/** Names are on the disk when this returns: those that are new, and those that are gone. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
