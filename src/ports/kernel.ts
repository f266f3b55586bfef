import type { ElementCount, Table, TableFamily } from "../nft/ast.ts";

export type { ElementCount };

/** The packet filter of the running kernel, as far as virtwall needs it. */
export interface Kernel {
  /**
   * Our own tables as the kernel lists them, in normal form; a table that is not there is not in the answer.
   * Throws {@link KernelError} when the listing fails: a failed listing is not an empty one.
   * What is likely to stand there is not read anew where it does: it comes out as the same objects, ahead of the others of its set.
   */
  readTables(likely?: Promise<readonly Table[]>): Promise<readonly Table[]>;
  /**
   * Foreign tables that hold a base chain on a filter hook, without set elements, one listing a table, so that a foreign set with
   * a million elements costs nothing.
   */
  readForeign(): Promise<readonly ForeignTable[]>;
  /** One transaction: all of it or nothing. Throws {@link KernelError} with the kernel's words. */
  commit(script: string): Promise<void>;
  /** Deletes our own tables, in one transaction. Nothing is left to own: for the end of all. */
  removeTables(): Promise<void>;
  ownership(): Promise<Ownership>;
  /**
   * In owner mode, a word for what our tables hold, kept for the process after this one until the next commit by anybody. It is kept
   * only where nobody but this process can have changed them since it began.
   */
  seal(word: string): Promise<void>;
  /** The word of {@link seal}, where nobody can have changed our tables since. Throws {@link KernelError}. */
  readSeal(): Promise<string | undefined>;
  /** Calls back for every change of the ruleset by anybody, ourselves included. The function returned ends it. */
  watch(listener: (event: KernelEvent) => void): () => void;
  /** Our own tables without chains, and with those sets alone whose names are wanted: what others hold is not fetched. */
  readSets(isWanted: (name: string) => boolean): Promise<readonly Table[]>;
  /** Packet counts of the elements of our own maps, by table, set and the element's key as nft prints it. */
  readCounters(): Promise<readonly ElementCount[]>;
}

/** How our tables are kept from other processes. */
export type Ownership =
  /** Nobody else can change or flush them. */
  | { readonly mode: "owner" }
  /** Another process can; the daemon puts back what is missing. */
  | { readonly mode: "restore"; readonly reason: string };

export type KernelEvent =
  /** A transaction was committed. `tables` are those it touched; `process` the program that did it, where known. */
  | {
      readonly kind: "changed";
      readonly tables: readonly { readonly family: TableFamily; readonly name: string }[];
      readonly process?: { readonly pid: number; readonly name: string };
    }
  /** Events were lost: verify everything. */
  | { readonly kind: "lost" };

/** A table that is not ours, with the rules of its filter-type base chains in order. */
export interface ForeignTable {
  readonly family: TableFamily;
  readonly name: string;
  /** Another one where it was deleted and made anew. */
  readonly handle?: number;
  /** The program that holds the table for itself (`flags owner`), where the listing says so: nobody else can change it. */
  readonly owner?: string;
  readonly chains: readonly ForeignChain[];
}

export interface ForeignChain {
  readonly name: string;
  readonly hook: string;
  readonly priority: number;
  readonly policy: "accept" | "drop";
  readonly rules: readonly ForeignRule[];
}

export interface ForeignRule {
  readonly handle: number;
  readonly comment?: string;
  /** False only if no path from this rule can end in drop or reject. */
  readonly mayDrop: boolean;
  /** It is a pass rule for the given mark bits: `meta mark & bits == bits accept`. */
  readonly passes?: number;
}

/** The machine refused: nft's or the kernel's own words, with the script where one was at fault. */
export class KernelError extends Error {
  override readonly name = "KernelError";
  readonly script: string | undefined;
  /** The package to install, where something is missing. */
  readonly missing: string | undefined;

  constructor(
    message: string,
    evidence: { script?: string; missing?: string; cause?: unknown } = {},
  ) {
    super(message, evidence.cause === undefined ? {} : { cause: evidence.cause });
    this.script = evidence.script;
    this.missing = evidence.missing;
  }
}
