import { type FSWatcher, existsSync, statSync, watch } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * This often it is looked whether the path still leads to the watched folder. Where the kernel gives no watch, as beyond its limit of
 * them (inotify(7)), the folder counts as changed as often.
 */
const lookEveryMs = 1_000;

/**
 * Calls back when an entry of the folder that `concerns` approves of is made, written, renamed or removed, and when the folder
 * itself comes, goes or is another, also where a folder or a link on the way to it has been replaced: of that the kernel tells the
 * watch nothing. A folder that does not exist yet is waited for through the nearest ancestor that does.
 * The watch is on the folder, not on the file: editors and `mv` replace files, and a watch on an inode would stay with the old one.
 */
export function watchFolder(
  folder: string,
  listener: () => void,
  concerns: (name: string) => boolean = () => true,
): () => void {
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  let watched: string | undefined;

  const start = (): void => {
    // Before the watch begins: what takes its place from now on differs from it.
    watched = identityOf(folder);
    const { target, awaited } = nearest(folder);
    try {
      watcher = watch(target, (event, name) => {
        // By its own name the folder tells that it was moved or removed: another may stand in its place by now.
        const isOther = event === "rename" && (name === basename(target) || !existsSync(target));
        const hasCome = awaited !== undefined && name === awaited;
        if (isOther || hasCome) restart();
        else if (awaited === undefined && (name === null || concerns(name))) listener();
      });
      watcher.on("error", restartLater);
      // It may have come before the watch began.
      if (awaited !== undefined && existsSync(join(target, awaited))) restartLater();
    } catch {
      restartLater();
    }
  };
  /** What happened while nobody watched was not seen. */
  const restart = (): void => {
    end();
    start();
    listener();
  };
  const restartLater = (): void => {
    clearTimeout(timer);
    timer = setTimeout(restart, lookEveryMs).unref();
  };
  const end = (): void => {
    clearTimeout(timer);
    watcher?.close();
  };
  start();
  const looks = setInterval(() => {
    if (identityOf(folder) !== watched) restart();
  }, lookEveryMs).unref();
  return () => {
    clearInterval(looks);
    end();
  };
}

/** Undefined where no folder can be reached. */
function identityOf(folder: string): string | undefined {
  try {
    const { dev, ino } = statSync(folder);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/** The folder, or else the nearest ancestor that exists, and the entry of that which is missing. */
function nearest(folder: string): { readonly target: string; readonly awaited?: string } {
  if (existsSync(folder) || dirname(folder) === folder) return { target: folder };
  const above = nearest(dirname(folder));
  return above.awaited === undefined ? { ...above, awaited: basename(folder) } : above;
}
