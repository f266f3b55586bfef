import { cached } from "./cache-folder.ts";

/** The root folder of a bare Debian with what our package depends on, for `startWorld`. Throws {@link LabError} naming what lacks. */
export function bareRoot(suite: "bookworm" | "trixie"): Promise<string> {
  return cached("make-bare.sh", 900_000, suite);
}
