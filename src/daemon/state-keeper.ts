import { defined } from "../base/defined.ts";
import type { SavedState, StateStore } from "../ports/state.ts";
import { bootKeyOf, bootScript } from "../reconcile/boot-ruleset.ts";
import type { Desired } from "../reconcile/decide.ts";
import type { Beliefs } from "./beliefs.ts";

/** What outlives the daemon, written only where it has changed. */
export class StateKeeper {
  readonly #store: StateStore;
  #saved: string | undefined;
  /** What was found to be saved last: the same objects say the same. */
  #known: Pick<SavedState, "policy" | "filters"> | undefined;
  #required: string | undefined;
  #boot: { readonly policy: Desired["policy"]; readonly of: string } | undefined;

  constructor(store: StateStore) {
    this.#store = store;
  }

  /** What was in force before this process. */
  async load(): Promise<SavedState | undefined> {
    const saved = await this.#store.load();
    if (saved !== undefined) this.#saved = keyOf(saved);
    return saved;
  }

  /** Before any hook is answered: it looks there, where the answer is not what it hoped for. */
  async saveRequired({ policy }: Desired): Promise<void> {
    const required = [...policy.guests.values()].filter((guest) => guest.required);
    const names = required.map(({ name }) => name).toSorted();
    if (JSON.stringify(names) === this.#required) return;
    await this.#store.saveRequired(names);
    this.#required = JSON.stringify(names);
  }

  /** Only where policy or filters have changed: what guests do is in libvirt. */
  async save(beliefs: Beliefs): Promise<void> {
    const { policyTexts: policy, filterTexts: filters, decision } = beliefs;
    if (decision?.inForce !== "current" || !decision.desired) return;
    await this.#saveBoot(decision.desired);
    const parsed = beliefs.printParsed();
    const isKnown = policy === this.#known?.policy && filters === this.#known.filters;
    if (isKnown && parsed === undefined) return;
    const key = keyOf({ policy, filters });
    if (key !== this.#saved || parsed !== undefined) {
      await this.#store.save(defined({ policy, filters, parsed }));
      beliefs.parsedIsSaved();
    }
    this.#saved = key;
    this.#known = { policy, filters };
  }

  /** What the next boot begins with: guests are not in it. */
  async #saveBoot(desired: Desired): Promise<void> {
    const of = bootKeyOf(desired);
    if (desired.policy === this.#boot?.policy && of === this.#boot.of) return;
    await this.#store.saveBoot(bootScript(desired));
    this.#boot = { policy: desired.policy, of };
  }
}

function keyOf({ policy, filters }: Pick<SavedState, "policy" | "filters">): string {
  return JSON.stringify([policy, filters]);
}
