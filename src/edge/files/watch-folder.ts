import { type FSWatcher, existsSync, watch } from "node:fs";
import { basename, dirname } from "node:path";

/**
 * Calls back when an entry of the folder that `concerns` approves of is made, written, renamed or removed, and when the folder
 * itself comes or goes. A folder that does not exist yet is waited for through the nearest ancestor that does.
 * The watch is on the folder, not on the file: editors and `mv` replace files, and a watch on an inode would stay with the old one.
 */
export function watchFolder(
  folder: string,
  listener: () => void,
  concerns: (name: string) => boolean = () => true,
): () => void {
  let watcher: FSWatcher | undefined;
  let stopped = false;

  const restart = (): void => {
    watcher?.close();
    watcher = undefined;
    if (stopped) return;
    let target = folder;
    let awaited: string | undefined;
    while (!existsSync(target) && dirname(target) !== target) {
      awaited = basename(target);
      target = dirname(target);
    }
    try {
      watcher = watch(target, { persistent: true }, (event, name) => {
        const gone = event === "rename" && !existsSync(target);
        const appeared = awaited !== undefined && name === awaited;
        if (gone || appeared) {
          restart();
          listener();
        } else if (awaited === undefined && (name === null || concerns(name))) {
          listener();
        }
      });
      watcher.on("error", restartLater);
    } catch {
      restartLater();
    }
  };
  const restartLater = (): void => {
    setTimeout(restart, 200).unref();
  };
  restart();
  return () => {
    stopped = true;
    watcher?.close();
  };
}
