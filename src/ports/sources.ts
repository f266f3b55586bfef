import type { InterfaceName } from "../base/interface-name.ts";
import type { HostInterface, Inventory } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import type { LibvirtTexts, SourceText } from "../model/source-text.ts";

export type { LibvirtTexts, SourceText } from "../model/source-text.ts";

/** libvirt, or a folder that stands for it. Texts only: what they mean is decided by the parse room. */
export interface LibvirtSource {
  /** Throws {@link SourceError} when libvirt does not answer. */
  read(): Promise<LibvirtTexts>;
  /** Something may have changed that libvirt has no event for: the next reading believes nothing that was read of it before. */
  expectChange(change: ExpectedChange): void;
  /** Calls back when something may have changed. The function returned ends it. */
  watch(listener: () => void): () => void;
}

/** Of what libvirt may say something else than it did. */
export type ExpectedChange =
  | { readonly kind: "everything" | "networks" }
  | { readonly kind: "guest"; readonly name: string }
  /** Guests that had one of these taps. */
  | ({ readonly kind: "taps" } & MovedTaps);

/** Taps that appeared, went or changed their bridge. */
export interface MovedTaps {
  readonly taps: readonly InterfaceName[];
  /** Those of them that the host has no more. */
  readonly gone: readonly InterfaceName[];
}

/** The policy files: the main one first, then the folder's in order of name. No file at all is an empty policy where none is demanded. */
export interface PolicySource {
  /** The main file, where somebody has named it: then there must be one. */
  readonly demanded?: string | undefined;
  /** Of each file that the last reading passed over and that looks as if it was meant: why. */
  readonly passedOver?: readonly Problem[];
  read(): Promise<readonly SourceText[]>;
  watch(listener: () => void): () => void;
}

/** Definitions of network filters: those made through virtwall, and those in libvirt's own folder. */
export interface FilterSource {
  /** Of each file that the last reading passed over: why. */
  readonly passedOver?: readonly Problem[];
  read(): Promise<FilterTexts>;
  watch(listener: () => void): () => void;
}

export type FilterTexts = Required<Pick<LibvirtTexts, "filters" | "ownFilters">>;

/** Interfaces, addresses and default routes of the host. */
export interface HostSource {
  read(): Promise<readonly HostInterface[]>;
  watch(listener: () => void): () => void;
}

/** What guests say or show of themselves: nobody else vouches for it. */
export interface LearnedSource {
  read(): Promise<LearnedFacts>;
  watch(listener: () => void): () => void;
  /**
   * The guests, by UUID, whose agents are to be asked from now on; the others' answers are forgotten. Resolves when each has been
   * asked once; answers are in the next reading, and the watch tells of them.
   */
  ask(uuids: readonly string[]): Promise<void>;
}

export type LearnedFacts = Required<Pick<Inventory, "agentAddresses" | "neighbours">>;

/** A source could not be read, which is not the same as empty. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  /** The package to install, where a program is missing. */
  readonly missing: string | undefined;

  constructor(message: string, evidence: { missing?: string; cause?: unknown } = {}) {
    super(message, evidence.cause === undefined ? {} : { cause: evidence.cause });
    this.missing = evidence.missing;
  }
}
