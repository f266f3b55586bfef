import type { Journal } from "./journal.ts";
import { isRefusal } from "./refusal.ts";

/** What the machine refuses now, by concern: kept until the same succeeds. */
export class Refusals<Concern extends string> {
  readonly #journal: Journal;
  /** A refusal here costs no guest its rules. */
  readonly #harmless: ReadonlySet<Concern>;
  readonly #messages = new Map<Concern, string>();
  readonly #missing = new Set<string>();

  constructor(journal: Journal, harmless: readonly Concern[]) {
    this.#journal = journal;
    this.#harmless = new Set(harmless);
  }

  get concerns(): readonly Concern[] {
    return [...this.#messages.keys()];
  }

  get messages(): readonly string[] {
    return [...new Set(this.#messages.values())];
  }

  /** Those that keep guests from what they are to have. */
  get harmful(): readonly string[] {
    const harmful = [...this.#messages].filter(([concern]) => !this.#harmless.has(concern));
    return [...new Set(harmful.map(([, message]) => message))];
  }

  /** The packages to install, where programs are missing or were. */
  get missing(): readonly string[] {
    return [...this.#missing].toSorted();
  }

  has(concern: Concern): boolean {
    return this.#messages.has(concern);
  }

  /** Does what may be refused. A bug of ours is not caught. */
  async attempt(concern: Concern, action: () => Promise<void>): Promise<void> {
    const journal = this.#journal;
    try {
      await action();
      if (this.#messages.delete(concern)) {
        journal.add("info", "recovered", `${concern}: well again`);
      }
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const { message } = error;
      if (this.#messages.get(concern) !== message) {
        const level = this.#harmless.has(concern) ? "warning" : "error";
        journal.add(level, "refused", `${concern}: ${message}`);
      }
      this.#messages.set(concern, message);
      if ("missing" in error && error.missing !== undefined) this.#missing.add(error.missing);
    }
  }
}
