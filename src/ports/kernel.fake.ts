import type { ElementCount, Table } from "../nft/ast.ts";
import {
  KernelError,
  type ForeignTable,
  type Kernel,
  type KernelEvent,
  type Ownership,
} from "./kernel.ts";

/**
 * A kernel in memory. It does not read scripts: say with {@link willBecome} what the next commit makes of the tables. A commit of
 * which nothing was said is recorded and changes nothing.
 */
export class FakeKernel implements Kernel {
  tables: readonly Table[] = [];
  foreign: readonly ForeignTable[] = [];
  counters: readonly ElementCount[] = [];
  owner: Ownership = { mode: "owner" };
  /** Scripts that were committed, the oldest first. */
  readonly scripts: string[] = [];
  /** How often our tables were listed whole. */
  listings = 0;
  /** While set, every listing fails with these words. */
  listingFailure: string | undefined;
  /** While set, every commit is refused with these words. */
  commitFailure: string | undefined;
  #sealed: string | undefined;
  readonly #listeners = new Set<(event: KernelEvent) => void>();
  readonly #outcomes: (readonly Table[])[] = [];

  /** Said several times, it holds for as many commits, in this order. */
  willBecome(tables: readonly Table[]): void {
    this.#outcomes.push(tables);
  }

  /** What another process does to the ruleset. */
  change(tables: readonly Table[], process = { pid: 4711, name: "nft" }): void {
    this.tables = tables;
    this.emit({ kind: "changed", tables: [{ family: "inet", name: "virtwall" }], process });
  }

  emit(event: KernelEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  readTables(): Promise<readonly Table[]> {
    this.listings++;
    return this.#list(this.tables);
  }

  readSets(isWanted: (name: string) => boolean): Promise<readonly Table[]> {
    return this.#list(
      this.tables.map((table) => ({
        ...table,
        sets: table.sets.filter(({ name }) => isWanted(name)),
        chains: [],
      })),
    );
  }

  readForeign(): Promise<readonly ForeignTable[]> {
    return this.#list(this.foreign);
  }

  readCounters(): Promise<readonly ElementCount[]> {
    return this.#list(this.counters);
  }

  commit(script: string): Promise<void> {
    const outcome = this.#outcomes.shift();
    if (this.commitFailure !== undefined) {
      return Promise.reject(new KernelError(this.commitFailure, { script }));
    }
    this.scripts.push(script);
    this.#sealed = undefined;
    const touched = outcome ?? [];
    if (outcome !== undefined) this.tables = outcome;
    this.emit({ kind: "changed", tables: touched.map(({ family, name }) => ({ family, name })) });
    return Promise.resolve();
  }

  removeTables(): Promise<void> {
    if (this.commitFailure !== undefined) {
      return Promise.reject(new KernelError(this.commitFailure));
    }
    this.tables = [];
    this.#sealed = undefined;
    return Promise.resolve();
  }

  ownership(): Promise<Ownership> {
    return Promise.resolve(this.owner);
  }

  seal(word: string): Promise<void> {
    if (this.owner.mode === "owner") this.#sealed = word;
    return Promise.resolve();
  }

  readSeal(): Promise<string | undefined> {
    return Promise.resolve(this.#sealed);
  }

  watch(listener: (event: KernelEvent) => void): () => void {
    this.#listeners.add(listener);
    queueMicrotask(() => {
      if (this.#listeners.has(listener)) listener({ kind: "lost" });
    });
    return () => void this.#listeners.delete(listener);
  }

  #list<T>(value: T): Promise<T> {
    return this.listingFailure === undefined
      ? Promise.resolve(value)
      : Promise.reject(new KernelError(this.listingFailure));
  }
}
