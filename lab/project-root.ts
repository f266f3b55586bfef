import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The checkout this program stands in, also when it was bundled into a sub-folder of it. */
export function projectRoot(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "lab", "world-holder.sh"))) return folder;
    if (folder === dirname(folder)) throw new Error(`no checkout above ${import.meta.dirname}`);
  }
}
