import { createHash } from "node:crypto";
import { remembered } from "../base/remembered.ts";
import type { Kernel } from "../ports/kernel.ts";
import type { Desired } from "../reconcile/decide.ts";

type Tables = Desired["compiled"]["tables"];

/**
 * What the gate keeps of our tables for the next daemon: where nobody else can have changed them, a word for what they hold is as good
 * as a listing, which takes longest of all that a start does.
 */
export class Seal {
  readonly #kernel: Pick<Kernel, "seal" | "readSeal">;
  #isThere = false;

  constructor(kernel: Pick<Kernel, "seal" | "readSeal">) {
    this.#kernel = kernel;
  }

  /** Whether the process before has left one that this one has not opened yet. */
  get isThere(): boolean {
    return this.#isThere;
  }

  async look(): Promise<void> {
    this.#isThere = (await this.#kernel.readSeal()) !== undefined;
  }

  /** Whether the process before left these tables. It is good for one question: what comes after, this process has seen itself. */
  async open(tables: Tables): Promise<boolean> {
    this.#isThere = false;
    const word = wordFor(tables);
    // Only now: libvirt may have let the daemon wait, and others have changed the tables.
    return word === (await this.#kernel.readSeal());
  }

  /** While the kernel holds these tables, and after every commit: that took the seal away. */
  async put(tables: Tables): Promise<void> {
    await this.#kernel.seal(wordFor(tables));
  }
}

/** The same tables said otherwise, by another version of the compiler, have another word, and are listed then. */
const wordFor = remembered((tables: Tables): string =>
  createHash("sha256").update(JSON.stringify(tables)).digest("hex"),
);
