import { mkdir, readFile, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import {
  StateError,
  type AdoptionStore,
  type SavedAdoption,
  type SavedState,
  type StateStore,
} from "../../ports/state.ts";
import type { SourceText } from "../../ports/sources.ts";
import { readFolder } from "./read-folder.ts";
import { writeAtomically } from "./write-atomically.ts";

const policyName = "last-good-policy.json";
const rulesetName = "last-good.nft";
const adoptedName = "adopted";
/** Guests that may not start while the daemon cannot answer: the bytes of a name as hex on each line. libvirt's hook reads it. */
export const requiredFileName = "required";

/** The folder of `--state`: the last good policy as JSON, its ruleset as nft would list it, and a file for each adopted network. */
export class StateFolder implements StateStore, AdoptionStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async load(): Promise<SavedState | undefined> {
    try {
      const policy: unknown = JSON.parse(await readFile(join(this.#folder, policyName), "utf8"));
      if (!isTexts(policy)) throw new Error("not a list of files");
      return { policy, ruleset: await readFile(join(this.#folder, rulesetName), "utf8") };
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new StateError(
        `the saved state in ${this.#folder} is not readable: ${(cause as Error).message}`,
        { cause },
      );
    }
  }

  async save(state: SavedState): Promise<void> {
    await this.#write([
      [rulesetName, state.ruleset],
      [policyName, JSON.stringify(state.policy)],
    ]);
  }

  async saveRequired(guests: readonly string[]): Promise<void> {
    const lines = guests.map((name) => `${Buffer.from(name).toString("hex")}\n`);
    await this.#write([[requiredFileName, lines.join("")]]);
  }

  async #write(files: readonly (readonly [name: string, text: string])[]): Promise<void> {
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      for (const [name, text] of files) await writeAtomically(join(this.#folder, name), text);
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      const why = code === "ENOSPC" ? "no space left on the disk" : message;
      throw new StateError(`the state is not saved in ${this.#folder}: ${why}`, { cause });
    }
  }

  async loadAdoptions(): Promise<readonly SavedAdoption[]> {
    const texts = await readFolder(join(this.#folder, adoptedName), ".json").catch(
      (cause: unknown) => {
        throw new StateError((cause as Error).message, { cause });
      },
    );
    return texts.map(({ file, text }) => {
      const adoption = readAdoption(text);
      if (!adoption) throw new StateError(`${file} is no backup of a network`);
      return adoption;
    });
  }

  async saveAdoption(adoption: SavedAdoption): Promise<void> {
    const file = this.#adoptionFile(adoption.network);
    try {
      await mkdir(join(this.#folder, adoptedName), { recursive: true, mode: 0o700 });
      await writeAtomically(file, JSON.stringify(adoption, undefined, 2));
    } catch (cause) {
      const { message } = cause as Error;
      throw new StateError(`the backup is not saved in ${file}: ${message}`, { cause });
    }
  }

  async removeAdoption(network: string): Promise<void> {
    await rm(this.#adoptionFile(network), { force: true });
    await rmdir(join(this.#folder, adoptedName)).catch(() => undefined);
  }

  /** A name is no path, and may begin with the dot of a hidden file. */
  #adoptionFile(network: string): string {
    return join(this.#folder, adoptedName, `network-${encodeURIComponent(network)}.json`);
  }

  /** Removes what was saved, and the folder if nothing else is in it. */
  async clear(): Promise<void> {
    try {
      for (const name of [policyName, rulesetName, requiredFileName]) {
        await rm(join(this.#folder, name), { force: true });
      }
    } catch (cause) {
      throw new StateError(`${this.#folder} cannot be cleared: ${(cause as Error).message}`, {
        cause,
      });
    }
    await rmdir(this.#folder).catch(() => undefined);
  }
}

function isTexts(value: unknown): value is SourceText[] {
  return (
    Array.isArray(value) &&
    value.every(
      (row: Partial<SourceText> | null) =>
        typeof row?.file === "string" && typeof row.text === "string",
    )
  );
}

function readAdoption(text: string): SavedAdoption | undefined {
  let value: Partial<SavedAdoption> | null;
  try {
    value = JSON.parse(text) as Partial<SavedAdoption> | null;
  } catch {
    return undefined;
  }
  const isAdoption =
    typeof value?.network === "string" &&
    typeof value.xml?.before === "string" &&
    typeof value.xml.after === "string" &&
    typeof value.policy?.file === "string";
  return isAdoption ? (value as SavedAdoption) : undefined;
}
