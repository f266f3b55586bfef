import { statSync } from "node:fs";
import type { SourceText } from "../../ports/sources.ts";
import { readText } from "./read-folder.ts";

interface Known {
  /** What the file system says of it, which no change leaves as it is. */
  readonly stamp: string;
  readonly text: SourceText;
}

/** The clock of a file system may stand still for so long: a jiffy mostly, two seconds on FAT. */
const clockStepMs = 3_000;

/** Files that are read again and again, of which only those that have changed are opened. */
export class KnownFiles {
  #known = new Map<string, Known>();

  /** As {@link readText}. */
  readonly read = (file: string): SourceText | undefined => {
    const stamp = stampOf(file);
    const known = this.#known.get(file);
    if (known !== undefined && known.stamp === stamp) return known.text;
    this.#known.delete(file);
    const text = readText(file);
    if (text !== undefined && stamp !== undefined) this.#known.set(file, { stamp, text });
    return text;
  };

  /** Forgets all others. */
  keep(texts: readonly SourceText[]): void {
    const known = texts.map(({ file }) => [file, this.#known.get(file)] as const);
    this.#known = new Map(known.flatMap(([file, each]) => (each ? [[file, each]] : [])));
  }
}

/** Undefined for what was changed just now: it may be changed once more at the same time by the clock. */
function stampOf(file: string): string | undefined {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = statSync(file);
    if (Math.abs(Date.now() - ctimeMs) < clockStepMs) return undefined;
    return [dev, ino, size, mtimeMs, ctimeMs].join();
  } catch {
    // Who reads it says what is wrong.
    return undefined;
  }
}
