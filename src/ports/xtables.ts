import type { SavedTable } from "../xtables/save.ts";

/** The rules that iptables and ip6tables keep, for the tables that only they may change. */
export interface Xtables {
  /**
   * Built-in chains of the tables that run after ours, or an empty list where iptables is not installed or keeps nothing.
   * Looking creates no table. Throws {@link XtablesError} when a listing fails: a failed listing is not an empty one.
   */
  read(): Promise<readonly XtablesChain[]>;
  /** Those of the legacy variant alone, which no listing of nf_tables shows. Where the kernel holds none of them no program is started. */
  readLegacy(): Promise<readonly XtablesChain[]>;
  /** Puts one pass rule into each chain, at `passPosition`, and removes its copies in `passRules`: one transaction a command. */
  putPassRules(chains: readonly XtablesChain[], mark: number): Promise<void>;
  /** Removes every rule with our comment, in whatever table and chain; the answer is how many there were. */
  removePassRules(): Promise<number>;
  /** Calls back where rules of the legacy variant have changed, of which the kernel tells nobody. The function returned ends it. */
  watch(listener: () => void): () => void;
}

/** All rules of iptables, for commands that take away what others have left. Each throws {@link XtablesError}. */
export interface XtablesRules {
  /** Empty where iptables is not installed. Looking creates no table. */
  list(): Promise<readonly XtablesListing[]>;
  /** A text for `iptables-restore --noflush`: one transaction a table. */
  change(command: XtablesCommand, script: string): Promise<void>;
}

export interface XtablesListing {
  readonly command: XtablesCommand;
  readonly tables: readonly SavedTable[];
  /** Tables of its own that it cannot list, since others have put rules into them that it does not know. */
  readonly unlisted: readonly string[];
}

/** Plain names stand for the variant that keeps its rules in nf_tables. */
export type XtablesCommand = "iptables" | "ip6tables" | "iptables-legacy" | "ip6tables-legacy";

export interface XtablesChain {
  readonly command: XtablesCommand;
  readonly table: "filter" | "security";
  readonly chain: "INPUT" | "FORWARD" | "OUTPUT";
  readonly policy: "ACCEPT" | "DROP";
  /** By policy or by a rule; libvirt's jumps to its guest filters aside. */
  readonly mayDrop: boolean;
  /** The first rule that may drop, positions counted from 1. */
  readonly firstDrop?: { readonly position: number; readonly text: string };
  /** Position of the last jump to libvirt's guest filters (nwfilter), which a pass rule must not bypass; 0 without one. */
  readonly guestFilters: number;
  /** Where a new pass rule goes once the present copies are gone: the head, or right after the guest filters. */
  readonly passPosition: number;
  /** Rules that bear our comment, in order. */
  readonly passRules: readonly XtablesPassRule[];
  /** Programs that keep chains of their own behind this one. */
  readonly makers: readonly ("ufw" | "docker" | "libvirt")[];
  /** The mark that a rule of the admin's own accepts ahead of whatever drops. */
  readonly handPass?: number;
}

export interface XtablesPassRule {
  readonly position: number;
  /** Absent where the rule bears our comment and is no pass rule of ours in form. */
  readonly mark?: number;
  /** The rule as iptables-save prints it, less `-A CHAIN`. */
  readonly text: string;
}

/** iptables refused, in its own words. */
export class XtablesError extends Error {
  override readonly name = "XtablesError";
  readonly command: string;
  readonly script: string | undefined;

  constructor(message: string, evidence: { command: string; script?: string; cause?: unknown }) {
    super(message, evidence.cause === undefined ? {} : { cause: evidence.cause });
    this.command = evidence.command;
    this.script = evidence.script;
  }
}
