import {
  firewalldName,
  type Firewalld,
  type FirewalldFacts,
  type FirewalldStep,
} from "./firewalld.ts";
import { FirewalldError } from "./firewalld.ts";

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** firewalld as it answers: what is written down comes into force with a reload, which forgets what was set at run time. */
export class FakeFirewalld implements Firewalld {
  /** Undefined: it does not run. */
  facts: Writable<FirewalldFacts> | undefined;
  runTimeOnly: readonly string[] = [];
  /** Non-empty: every call fails with it. */
  refusal = "";
  readonly done: FirewalldStep["kind"][] = [];
  readonly #listeners = new Set<() => void>();

  read(): Promise<FirewalldFacts | undefined> {
    return this.#answer(() => this.facts && structuredClone(this.facts));
  }

  readRunTimeOnly(): Promise<readonly string[]> {
    return this.#answer(() => this.runTimeOnly);
  }

  carryOut(steps: readonly FirewalldStep[]): Promise<void> {
    return this.#answer(() => {
      for (const step of steps) this.#do(step);
    });
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): void {
    this.#listeners.clear();
  }

  /** As the admin does it. */
  reload(): void {
    this.#do({ kind: "reload" });
  }

  #do(step: FirewalldStep): void {
    const { facts } = this;
    if (facts === undefined) throw new FirewalldError("it has gone");
    this.done.push(step.kind);
    const { permanent } = facts;
    const own = facts.active.get(firewalldName)?.interfaces ?? [];
    switch (step.kind) {
      case "add zone":
        facts.permanent = { ...permanent, hasZone: true };
        break;
      case "write policy": {
        const policies = new Map(permanent.policies).set(step.name, step.policy);
        facts.permanent = { ...permanent, policies };
        break;
      }
      case "delete all":
        facts.permanent = { hasZone: false, policies: new Map() };
        break;
      case "reload":
        facts.policies = new Map(permanent.policies);
        facts.zones = facts.zones.filter((zone) => zone !== firewalldName);
        if (permanent.hasZone) facts.zones = [...facts.zones, firewalldName];
        this.#setOwn([]);
        break;
      case "set policy": {
        const policy = facts.policies.get(step.name);
        if (policy === undefined) throw new FirewalldError(`INVALID_POLICY: ${step.name}`);
        facts.policies = new Map(facts.policies).set(step.name, { ...policy, ...step.policy });
        break;
      }
      case "bind":
        this.#setOwn([...own, step.interface]);
        break;
      case "unbind":
        this.#setOwn(own.filter((name) => name !== step.interface));
        break;
    }
    for (const listener of this.#listeners) listener();
  }

  #setOwn(interfaces: readonly string[]): void {
    if (this.facts === undefined) return;
    const active = new Map(this.facts.active);
    if (interfaces.length === 0) active.delete(firewalldName);
    else active.set(firewalldName, { interfaces, sources: [] });
    this.facts.active = active;
  }

  #answer<T>(work: () => T): Promise<T> {
    if (this.refusal !== "") return Promise.reject(new FirewalldError(this.refusal));
    return Promise.resolve().then(work);
  }
}
