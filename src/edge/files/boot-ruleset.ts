import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { StateError } from "../../ports/state.ts";
import { writeAtomically } from "./write-atomically.ts";

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
    await writeAtomically(this.#file, text);
  }

  /** `isBefore`: what was kept. Undefined where nothing is there. Throws {@link StateError} for what is not whole as it was saved. */
  async load({ isBefore }: { readonly isBefore: boolean }): Promise<string | undefined> {
    const file = isBefore ? this.#before : this.#file;
    let text: string;
    try {
      text = await readFile(file, "utf8");
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new StateError(`${file} is not readable: ${(cause as Error).message}`, { cause });
    }
    const [head = "", digest] = heading.exec(text) ?? [];
    const script = text.slice(head.length);
    if (digestOf(script) === digest) return script;
    throw new StateError(`${file} is not as it was saved`);
  }

  async keep(): Promise<void> {
    await rm(this.#before, { force: true });
    await ignoringMissing(copyFile(this.#file, this.#before));
  }

  /** What was kept counts again; where nothing was, nothing does. */
  async putBack(): Promise<void> {
    await rm(this.#file, { force: true });
    await ignoringMissing(rename(this.#before, this.#file));
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

async function ignoringMissing(action: Promise<void>): Promise<void> {
  try {
    await action;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
