import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { StateError } from "../../ports/state.ts";
import { claimPath, type Claim } from "../socket/claim-path.ts";
import { BootRuleset } from "./boot-ruleset.ts";
import { orStateError } from "./or-state-error.ts";
import { isOperatorTexts, type OperatorTexts } from "./policy-history.ts";
import { syncFolder, writeAtomically } from "./write-atomically.ts";

/** A change that is taken back unless somebody confirms it. */
export interface UnconfirmedChange {
  /** Of this change and no other. */
  readonly id: string;
  readonly seconds: number;
  /** What was in force before; absent: nothing was. */
  readonly before?: OperatorTexts;
}

const lookEveryMs = 100;
/** Who takes something back may ask libvirt, which may take its time. */
const patienceMs = 60_000;

/**
 * A change that waits for its confirmation, as a file: there until it is confirmed or has been taken back, through the end of any
 * process and of the machine. A lock is held from before the file is there until nobody waits any more, so others see whether anybody
 * does. Who begins a change takes it and hands it on to who waits, however long that one takes to start.
 */
export class Unconfirmed {
  readonly #folder: string;
  readonly #boot: BootRuleset;

  constructor(stateFolder: string) {
    this.#folder = stateFolder;
    this.#boot = new BootRuleset(stateFolder);
  }

  get #file(): string {
    return join(this.#folder, "unconfirmed.json");
  }

  /** The same, from when somebody has begun to take it back until that is done. */
  get #taken(): string {
    return join(this.#folder, "taking-back.json");
  }

  /** That of {@link claimPath}. */
  get #lock(): string {
    return `${this.#file}.lock`;
  }

  async save(change: UnconfirmedChange): Promise<void> {
    await orStateError("what is to be put back is not saved", async () => {
      await this.#boot.keep();
      await writeAtomically(this.#file, JSON.stringify(change));
    });
  }

  /** What waits. */
  async load(): Promise<UnconfirmedChange | undefined> {
    return this.#read(this.#file);
  }

  /** What waits, or is being taken back. */
  async loadAny(): Promise<UnconfirmedChange | undefined> {
    return (await this.#read(this.#file)) ?? this.#read(this.#taken);
  }

  /** Waiting, or being taken back. */
  isThere(): boolean {
    return [this.#file, this.#taken].some((file) => existsSync(file));
  }

  /** The right to take it back; undefined where another process waits. */
  async claim(): Promise<Claim | undefined> {
    return orStateError("nobody can wait for a confirmation", async () => {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      return claimPath(this.#file);
    });
  }

  /** Nothing waits any more, and nobody takes anything back. False where somebody goes on with that. */
  async end(): Promise<boolean> {
    const deadline = performance.now() + patienceMs;
    await orStateError("a change that waits is not removed", async () => {
      for (const file of [this.#file, this.#taken]) await rm(file, { force: true });
    });
    while (existsSync(this.#lock) && !(await this.#isFree())) {
      if (performance.now() > deadline) return false;
      await setTimeout(lookEveryMs);
    }
    return true;
  }

  /** False where nothing waits, or somebody is taking it back. */
  async confirm(): Promise<boolean> {
    const isWaiting = await this.#leaves("it is not confirmed", () => rm(this.#file));
    if (!isWaiting && !(await this.#isLeft())) return false;
    await this.clear();
    // A power loss must not bring back what was confirmed.
    await orStateError("the confirmation is not on the disk", () => syncFolder(this.#folder));
    return true;
  }

  /** From now on it cannot be confirmed. Undefined where it was, or another change waits. Without an id: whatever is there. */
  async take(id?: string): Promise<UnconfirmedChange | undefined> {
    await this.#leaves("it is not taken back", () => rename(this.#file, this.#taken));
    const change = await this.#read(this.#taken);
    if (change !== undefined && id !== undefined && change.id !== id) {
      await orStateError("another change cannot wait", () => rename(this.#taken, this.#file));
      return undefined;
    }
    if (change !== undefined) {
      await orStateError("what a boot begins with is not put back", () => this.#boot.putBack());
    }
    return change;
  }

  /** It is taken back. The lock stays its holder's, who may still have to end what has written the rules. */
  async finish(): Promise<void> {
    await orStateError("what waited is not removed", async () => {
      for (const file of [this.#file, this.#taken]) await rm(file, { force: true });
      await this.#boot.forgetKept();
    });
  }

  async clear(): Promise<void> {
    await this.finish();
    await orStateError("what waited is not removed", () => rm(this.#lock, { force: true }));
  }

  /** False where no change was waiting. One that still is there cannot be taken for one that is confirmed. */
  async #leaves(otherwise: string, action: () => Promise<void>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (cause) {
      if (!existsSync(this.#file)) return false;
      throw new StateError(`${otherwise}: ${(cause as Error).message}`, { cause });
    }
  }

  /** The taking back was broken off, and nobody is at it. */
  async #isLeft(): Promise<boolean> {
    return existsSync(this.#taken) && (await this.#isFree());
  }

  async #isFree(): Promise<boolean> {
    const claim = await this.claim();
    claim?.letGo();
    return claim !== undefined;
  }

  async #read(file: string): Promise<UnconfirmedChange | undefined> {
    let text: string;
    try {
      text = await readFile(file, "utf8");
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new StateError(`${file} is not readable: ${(cause as Error).message}`, { cause });
    }
    const change = parseChange(text);
    if (change === undefined) throw new StateError(`${file} is nothing that virtwall has saved`);
    return change;
  }
}

function parseChange(text: string): UnconfirmedChange | undefined {
  try {
    const change = JSON.parse(text) as Partial<UnconfirmedChange> | null;
    if (typeof change?.id !== "string" || typeof change.seconds !== "number") return undefined;
    if (change.before !== undefined && !isOperatorTexts(change.before)) return undefined;
    return change as UnconfirmedChange;
  } catch {
    return undefined;
  }
}
