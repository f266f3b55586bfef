import { open, readdir, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * The file holds the old bytes or the new ones, whatever happens in between; they are on the disk when this returns. Mode and owner are
 * those of `like`, where it is there. Throws node's error, the temporary file removed; that of a process that was killed in the midst
 * goes with the next writing.
 */
export async function writeAtomically(
  file: string,
  text: string | Uint8Array,
  like = file,
): Promise<void> {
  const folder = dirname(file);
  const old = await stat(like).catch(() => undefined);
  const temporary = join(folder, `.${basename(file)}.${process.pid}.new`);
  try {
    await removeLeftovers(file);
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
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function removeLeftovers(file: string): Promise<void> {
  const [folder, start] = [dirname(file), `.${basename(file)}.`];
  for (const name of await readdir(folder)) {
    if (!name.startsWith(start)) continue;
    const [, pid] = /^(\d+)\.new$/.exec(name.slice(start.length)) ?? [];
    if (pid !== undefined && !isRunning(Number(pid))) await rm(join(folder, name), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** The same where a person may have put a link to a file kept elsewhere: it stays a link. */
export async function writeThroughLink(file: string, text: string | Uint8Array): Promise<void> {
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
