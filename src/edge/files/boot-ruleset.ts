import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { StateError } from "../../ports/state.ts";
import { writeAtomically, writeWhereOther } from "./write-atomically.ts";

const heading = /^# virtwall: sha256 ([0-9a-f]{64}) of what follows\n/;

/**
 * What is loaded before any network at the next boot, as a script for nft. While a change waits for its confirmation, what was to be
 * loaded before it is kept too, for a boot in between.
 */
export class BootRuleset {
  readonly #file: string;
  readonly #before: string;
  readonly #folder: string;

  constructor(stateFolder: string) {
    this.#folder = stateFolder;
    this.#file = join(stateFolder, "boot.nft");
    this.#before = join(stateFolder, "boot-before.nft");
  }

  async save(script: string): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const text = `# virtwall: sha256 ${digestOf(script)} of what follows\n${script}`;
    await writeWhereOther(this.#file, text);
  }

  /** Undefined where nothing is there. Throws {@link StateError} for what is not whole as it was saved. */
  load(): Promise<string | undefined> {
    return this.#load(this.#file);
  }

  /** What was kept, or where nothing is kept any more, what counts again. */
  async loadKept(): Promise<string | undefined> {
    return this.#load((await sizeOf(this.#before)) === undefined ? this.#file : this.#before);
  }

  async #load(file: string): Promise<string | undefined> {
    const text = await textOf(file);
    if (text === undefined || (text === "" && file === this.#before)) return undefined;
    const [head = "", digest] = heading.exec(text) ?? [];
    const script = text.slice(head.length);
    if (digestOf(script) === digest) return script;
    throw new StateError(`${file} is not as it was saved`);
  }

  /** Where there is nothing, an empty file says so. */
  async keep(): Promise<void> {
    await writeAtomically(this.#before, (await textOf(this.#file)) ?? "");
  }

  /** What was kept counts again, once: whoever does it anew after a power loss changes nothing. */
  async putBack(): Promise<void> {
    const size = await sizeOf(this.#before);
    if (size === undefined) return;
    if (size === 0) await this.clear();
    else await rename(this.#before, this.#file);
  }

  async forgetKept(): Promise<void> {
    await rm(this.#before, { force: true });
  }

  async clear(): Promise<void> {
    for (const file of [this.#file, this.#before]) await rm(file, { force: true });
  }
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function textOf(file: string): Promise<string | undefined> {
  return unlessMissing(file, readFile(file, "utf8"));
}

async function sizeOf(file: string): Promise<number | undefined> {
  return (await unlessMissing(file, stat(file)))?.size;
}

async function unlessMissing<T>(file: string, action: Promise<T>): Promise<T | undefined> {
  try {
    return await action;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new StateError(`${file} is not readable: ${(cause as Error).message}`, { cause });
  }
}
