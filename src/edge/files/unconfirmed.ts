import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { StateError } from "../../ports/state.ts";
import { claimPath } from "../socket/claim-path.ts";
import { isOperatorTexts, type OperatorTexts } from "./policy-history.ts";
import { writeAtomically } from "./write-atomically.ts";

/** A change that is taken back unless somebody confirms it. */
export interface UnconfirmedChange {
  readonly seconds: number;
  /** What was in force before; absent: nothing was. */
  readonly before?: OperatorTexts;
}

/**
 * A change that waits for its confirmation, as a file: there until it is confirmed or taken back, through the end of any process and
 * of the machine. Who waits holds a lock, so others see whether anybody does.
 */
export class Unconfirmed {
  readonly #folder: string;

  constructor(stateFolder: string) {
    this.#folder = stateFolder;
  }

  get #file(): string {
    return join(this.#folder, "unconfirmed.json");
  }

  /** The same, once somebody has begun to take it back. */
  get #taken(): string {
    return join(this.#folder, "taking-back.json");
  }

  async save(change: UnconfirmedChange): Promise<void> {
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await writeAtomically(this.#file, JSON.stringify(change));
    } catch (cause) {
      throw new StateError(`what is to be put back is not saved: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  async load(): Promise<UnconfirmedChange | undefined> {
    return this.#read(this.#file);
  }

  /** Waiting, or being taken back. */
  isThere(): boolean {
    return [this.#file, this.#taken].some((file) => existsSync(file));
  }

  /** The right to take it back; undefined where another process waits. */
  claim(): (() => void) | undefined {
    return claimPath(this.#file);
  }

  /** False where nothing waits, or is being taken back already. */
  async confirm(): Promise<boolean> {
    try {
      await rm(this.#file);
      await rm(`${this.#file}.lock`, { force: true });
      return true;
    } catch {
      return false;
    }
  }

  /** From now on it cannot be confirmed. Undefined where it was. A change whose taking back was broken off is there again. */
  async take(): Promise<UnconfirmedChange | undefined> {
    await rename(this.#file, this.#taken).catch(() => undefined);
    return this.#read(this.#taken);
  }

  async end(): Promise<void> {
    await rm(this.#taken, { force: true });
    await rm(`${this.#file}.lock`, { force: true });
  }

  async #read(file: string): Promise<UnconfirmedChange | undefined> {
    let text: string;
    try {
      text = await readFile(file, "utf8");
    } catch {
      return undefined;
    }
    const change = parseChange(text);
    if (change === undefined) throw new StateError(`${file} is nothing that virtwall has saved`);
    return change;
  }
}

function parseChange(text: string): UnconfirmedChange | undefined {
  try {
    const change = JSON.parse(text) as Partial<UnconfirmedChange> | null;
    if (typeof change?.seconds !== "number") return undefined;
    if (change.before !== undefined && !isOperatorTexts(change.before)) return undefined;
    return change as UnconfirmedChange;
  } catch {
    return undefined;
  }
}
