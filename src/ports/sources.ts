import type { HostInterface } from "../model/inventory.ts";

/** A text that somebody wrote, with the name under which problems speak of it. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
}

/** libvirt, or a folder that stands for it. Texts only: what they mean is decided by the parse room. */
export interface LibvirtSource {
  /** Throws {@link SourceError} when libvirt does not answer. */
  read(): Promise<LibvirtTexts>;
  /** Calls back when something may have changed. The function returned ends it. */
  watch(listener: () => void): () => void;
}

export interface LibvirtTexts {
  /** Live XML of the networks that run. */
  readonly networks: readonly SourceText[];
  /** Live XML of the guests that run. */
  readonly guests: readonly SourceText[];
  /** libvirt's dnsmasq helper's files `BRIDGE.status`. */
  readonly leases: readonly SourceText[];
}

/** The policy files: the main one first, then the folder's in order of name. No file at all is an empty policy. */
export interface PolicySource {
  read(): Promise<readonly SourceText[]>;
  watch(listener: () => void): () => void;
}

/** Interfaces, addresses and default routes of the host. */
export interface HostSource {
  read(): Promise<readonly HostInterface[]>;
  watch(listener: () => void): () => void;
}

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
