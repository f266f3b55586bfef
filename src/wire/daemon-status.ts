import type { GuestState, PublicationState } from "../model/state.ts";
import type { Problem } from "../model/problem.ts";

/** The body of `virtwall status --json`. Lists are in order of name. */
export interface DaemonStatus {
  /** Null where none runs: the rest is then what one would see that starts now. */
  readonly daemon: {
    readonly pid: number;
    readonly since: string;
    readonly version: string;
    /** What it follows, as absolute paths. */
    readonly policyFile: string;
    /** Absent: libvirt itself. */
    readonly inventoryFolder?: string;
  } | null;
  readonly protection: ProtectionStatus;
  /** Absent where no gate answers. */
  readonly gate?: { readonly pid: number };
  readonly policy: PolicyStatus;
  /** What could not be done; tried again by itself. Empty when all is well. */
  readonly errors: readonly string[];
  readonly networks: readonly NetworkStatus[];
  readonly guests: readonly GuestState[];
  readonly publications: readonly PublicationStatus[];
  readonly integration: IntegrationStatus;
  /** What others took away and how long it was missing. */
  readonly gaps: GapStatus;
}

/** How our tables are kept from other processes. */
export type ProtectionStatus =
  | { readonly mode: "owner" }
  | { readonly mode: "restore"; readonly reason: string }
  /** Neither: nobody looks after them. */
  | { readonly mode: "none"; readonly reason: string }
  /** The kernel could not be asked. */
  | { readonly mode: "unknown"; readonly reason: string };

export interface PolicyStatus {
  /**
   * `none`: never was a policy without errors, the kernel is left as it is. `undecided`: not everything could be read yet, and the
   * kernel is left as it is too.
   */
  readonly inForce: "current" | "last-good" | "none" | "undecided";
  readonly files: readonly string[];
  readonly problems: readonly Problem[];
  /** Guests whose present description has errors: they keep what they had before. */
  readonly keptGuests: readonly string[];
  /** The filters are those of before, since those that are defined now have errors or cannot be bound. */
  readonly keepsFilters: boolean;
}

export interface NetworkStatus {
  readonly name: string;
  readonly mode: string;
  readonly bridge: string;
  readonly prefixes: readonly string[];
}

export interface PublicationStatus extends PublicationState {
  /** Absent where the kernel could not be asked. */
  readonly connections?: number;
}

export interface IntegrationStatus {
  readonly mode: "auto" | "print" | "off";
  /** The firewalls that are here, by name; with `off` nobody looks. */
  readonly firewalls: readonly FoundFirewall[];
  readonly chains: readonly IntegratedChain[];
  /** Another program takes pass rules away again and again; until it leaves off they are put back once in a while only. */
  readonly contested?: Contest;
}

export interface Contest {
  /** How often within the last ten seconds. */
  readonly times: number;
  /** The program that did it last, where the kernel told. */
  readonly by?: string;
}

export interface FoundFirewall {
  /** `ufw`, `docker`, `firewalld`, `libvirt`, `nftables`, `iptables`, `iptables-legacy`, `ebtables` */
  readonly name: string;
  /** Of its chains the state that is worst for guests, as in {@link IntegratedChain}. */
  readonly state: string;
}

/** A base chain of somebody else that meets guest packets. */
export interface IntegratedChain {
  /** The program that manages it: `nft`, `iptables`, or `firewalld`, of which `table` is a zone and `chain` a bridge in it. */
  readonly by: string;
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** Whose it is; of a chain of iptables that may be several. */
  readonly firewalls: readonly string[];
  /** `passed`, `needed`, `not needed`, `before ours`, `owned`, `left alone` */
  readonly state: string;
  /** What may drop, or why nothing can be done. */
  readonly reason?: string;
  /** What to type where virtwall only tells. */
  readonly line?: string;
}

/**
 * What can be asked for by itself, since the whole takes time: the parts of {@link DaemonStatus}, and what others than people ask.
 * `guests` and `publications` are asked of the kernel, for what it has learned and counted; all else is as of the last round.
 */
export interface StatusParts extends DaemonStatus {
  /** All that is published, in few words. */
  readonly published: readonly PublishedPorts[];
}

export type StatusPart = keyof StatusParts;

export interface PublishedPorts extends Pick<
  PublicationState,
  "guest" | "protocol" | "address" | "public" | "reason"
> {}

export interface GapStatus {
  /** Of our own tables, in restore mode. */
  readonly tables: Gap;
  readonly passRules: Gap;
}

export interface Gap {
  readonly count: number;
  /** Absent while nothing was ever missing. From the kernel's event to the commit. */
  readonly lastMs?: number;
  readonly longestMs?: number;
}
