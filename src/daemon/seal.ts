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
  #found: string | undefined;

  constructor(kernel: Pick<Kernel, "seal" | "readSeal">) {
    this.#kernel = kernel;
  }

  /** Whether the process before has left one that nobody has opened yet. */
  get isThere(): boolean {
    return this.#found !== undefined;
  }

  async read(): Promise<void> {
    this.#found = await this.#kernel.readSeal();
  }

  /** Whether the process before left these tables. It is good for one question: what comes after, this process has seen itself. */
  open(tables: Tables): boolean {
    const found = this.#found;
    this.#found = undefined;
    return found !== undefined && found === wordFor(tables);
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
