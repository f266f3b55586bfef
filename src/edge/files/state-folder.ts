import { mkdir, readFile, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { defined } from "../../base/defined.ts";
import {
  StateError,
  type AdoptionStore,
  type GuestAdoptionStore,
  type SavedAdoption,
  type SavedGuestAdoption,
  type SavedState,
  type StateStore,
} from "../../ports/state.ts";
import type { FilterTexts } from "../../ports/sources.ts";
import { BootRuleset } from "./boot-ruleset.ts";
import { orStateError } from "./or-state-error.ts";
import { isTexts, PolicyHistory } from "./policy-history.ts";
import { readFolder } from "./read-folder.ts";
import { Unconfirmed } from "./unconfirmed.ts";
import { writeAtomically, writeWhereOther } from "./write-atomically.ts";

const policyName = "last-good-policy.json";
/** What anybody may remove, and nobody need believe. */
const parsedName = "parsed-policy.json";
/** Of an earlier version. */
const rulesetName = "last-good.nft";
const adoptedName = "adopted";
const adoptedGuestsName = "adopted-guests";
/** Guests that may not start while the daemon cannot answer: the bytes of a name as hex on each line. libvirt's hook reads it. */
export const requiredFileName = "required";

/**
 * The folder of `--state`: the last good policy and filters as JSON, what the next boot begins with, and a file for each
 * adopted network and guest.
 */
export class StateFolder implements StateStore, AdoptionStore, GuestAdoptionStore {
  readonly #folder: string;
  readonly #history: PolicyHistory;
  readonly #boot: BootRuleset;
  readonly #author: string;

  /** `author` brings into force what is saved, where nobody else has said so. */
  constructor(folder: string, author = "the policy files") {
    this.#folder = folder;
    this.#history = new PolicyHistory(join(folder, "history"));
    this.#boot = new BootRuleset(folder);
    this.#author = author;
  }

  async load(): Promise<SavedState | undefined> {
    try {
      const written: unknown = JSON.parse(await readFile(join(this.#folder, policyName), "utf8"));
      // An earlier version saved no filters, and the list of policy files alone.
      const texts = isTexts(written) ? { policy: written } : written;
      if (!isSavedTexts(texts)) throw new Error("not lists of files");
      return defined({ ...texts, parsed: await this.loadParsed() });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new StateError(
        `the saved state in ${this.#folder} is not readable: ${(cause as Error).message}`,
        { cause },
      );
    }
  }

  /** {@link SavedState.parsed} alone: what cannot be read was not saved. */
  loadParsed(): Promise<string | undefined> {
    return readFile(join(this.#folder, parsedName), "utf8").catch(() => undefined);
  }

  /** Policy and filters are one file: one is never of another time than the other. */
  async save({ policy, filters, parsed }: SavedState): Promise<void> {
    await this.#write([
      ...(parsed === undefined ? [] : [[parsedName, parsed] as const]),
      [policyName, JSON.stringify({ policy, filters })],
    ]);
    await orStateError(this.#unsaved, () =>
      this.#history.add({ policy, ownFilters: filters?.ownFilters ?? [] }, this.#author),
    );
  }

  async saveBoot(script: string): Promise<void> {
    await orStateError(this.#unsaved, () => this.#boot.save(script));
  }

  async saveRequired(guests: readonly string[]): Promise<void> {
    const lines = guests.map((name) => `${Buffer.from(name).toString("hex")}\n`);
    await this.#write([[requiredFileName, lines.join("")]]);
  }

  async #write(files: readonly (readonly [name: string, text: string])[]): Promise<void> {
    await orStateError(this.#unsaved, async () => {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      for (const [name, text] of files) await writeWhereOther(join(this.#folder, name), text);
    });
  }

  get #unsaved(): string {
    return `the state is not saved in ${this.#folder}`;
  }

  loadAdoptions(): Promise<readonly SavedAdoption[]> {
    return this.#loadBackups(adoptedName, isAdoption);
  }

  saveAdoption(adoption: SavedAdoption): Promise<void> {
    return this.#saveBackup(adoptedName, networkFile(adoption.network), adoption);
  }

  removeAdoption(network: string): Promise<void> {
    return this.#removeBackup(adoptedName, networkFile(network));
  }

  loadGuestAdoptions(): Promise<readonly SavedGuestAdoption[]> {
    return this.#loadBackups(adoptedGuestsName, isGuestAdoption);
  }

  saveGuestAdoption(adoption: SavedGuestAdoption): Promise<void> {
    return this.#saveBackup(adoptedGuestsName, `${adoption.uuid}.json`, adoption);
  }

  removeGuestAdoption(uuid: string): Promise<void> {
    return this.#removeBackup(adoptedGuestsName, `${uuid}.json`);
  }

  async #loadBackups<T>(folder: string, isBackup: (value: unknown) => value is T): Promise<T[]> {
    const texts = await readFolder(join(this.#folder, folder), ".json").catch((cause: unknown) => {
      throw new StateError((cause as Error).message, { cause });
    });
    return texts.map(({ file, text }) => {
      const backup = readJson(text);
      if (!isBackup(backup)) throw new StateError(`${file} is no backup that virtwall has made`);
      return backup;
    });
  }

  async #saveBackup(folder: string, name: string, backup: object): Promise<void> {
    const file = join(this.#folder, folder, name);
    await orStateError(`the backup is not saved in ${file}`, async () => {
      await mkdir(join(this.#folder, folder), { recursive: true, mode: 0o700 });
      await writeAtomically(file, JSON.stringify(backup, undefined, 2));
    });
  }

  async #removeBackup(folder: string, name: string): Promise<void> {
    const file = join(this.#folder, folder, name);
    await orStateError("the backup is not removed", () => rm(file, { force: true }));
    await rmdir(join(this.#folder, folder)).catch(() => undefined);
  }

  /** Removes what was saved, and the folder if nothing else is in it. */
  async clear(): Promise<void> {
    await orStateError(`${this.#folder} cannot be cleared`, async () => {
      for (const name of [policyName, parsedName, rulesetName, requiredFileName]) {
        await rm(join(this.#folder, name), { force: true });
      }
      await this.#boot.clear();
      await this.#history.clear();
      await new Unconfirmed(this.#folder).clear();
    });
    await rmdir(this.#folder).catch(() => undefined);
  }
}

function isSavedTexts(value: unknown): value is Pick<SavedState, "policy" | "filters"> {
  const texts = value as Partial<SavedState> | null;
  return isTexts(texts?.policy) && (texts.filters === undefined || isFilterTexts(texts.filters));
}

function isFilterTexts(texts: Partial<FilterTexts> | null): boolean {
  return isTexts(texts?.filters) && isTexts(texts.ownFilters);
}

/** A name is no path, and may begin with the dot of a hidden file. */
function networkFile(network: string): string {
  return `network-${encodeURIComponent(network)}.json`;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isAdoption(value: unknown): value is SavedAdoption {
  const adoption = value as Partial<SavedAdoption> | null | undefined;
  return (
    typeof adoption?.network === "string" &&
    typeof adoption.xml?.before === "string" &&
    typeof adoption.xml.after === "string" &&
    typeof adoption.policy?.file === "string"
  );
}

function isGuestAdoption(value: unknown): value is SavedGuestAdoption {
  const adoption = value as Partial<SavedGuestAdoption> | null | undefined;
  return (
    typeof adoption?.guest === "string" &&
    typeof adoption.uuid === "string" &&
    Array.isArray(adoption.nics) &&
    typeof adoption.metadata === "object"
  );
}
