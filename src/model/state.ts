import type { Address } from "../base/address.ts";
import type { Mac } from "../base/mac.ts";
import type { PortProtocol, PortRange } from "../base/port.ts";
import type { NicAddress } from "./intent.ts";

/** What became of each thing that policy and inventory name: the body of `virtwall status`. */
export interface GuestState {
  readonly name: string;
  readonly nics: readonly NicState[];
  readonly groups: readonly string[];
}

export interface NicState {
  readonly mac: Mac;
  readonly tap?: string;
  readonly network?: string;
  readonly bridge?: string;
  /** It is where only the firewall guest may be, and passes nothing. */
  readonly isKeptOut?: true;
  readonly addresses: readonly NicAddress[];
  /** The filter that virtwall binds the nic to. */
  readonly filter?: NicFilterState;
  /** The filter that the guest's own XML binds the nic to: libvirt itself enforces it. */
  readonly libvirtFilter?: NicFilter;
}

export interface NicFilter {
  readonly name: string;
  /** Variables that the binding gives, and their values. */
  readonly parameters: Readonly<Record<string, readonly string[]>>;
}

export interface NicFilterState extends NicFilter {
  /**
   * `enforced`: its rules judge the nic. `closed`: they cannot be made, and nothing passes the nic. `open`: the nic is on no bridge
   * whose frames we judge, and everything passes it.
   */
  readonly state: "enforced" | "closed" | "open";
  /** Why it is not enforced. */
  readonly reason?: string;
  /** Addresses that were learned from what the nic sends or is given by DHCP. */
  readonly learned?: readonly Address[];
  /** Those that libvirt's own DHCP server has given it, which count beside them. */
  readonly leased?: readonly Address[];
}

export interface PublicationState {
  readonly guest: string;
  readonly protocol: PortProtocol;
  /** In a policy file, or in the guest's own XML. */
  readonly writtenIn: "policy" | "guest";
  /** As policy says it; absent: every address of the uplinks. */
  readonly address?: Address;
  readonly public: PortRange;
  readonly guestPorts: PortRange;
  readonly state: "active" | "pending";
  /** Why it is pending. */
  readonly reason?: string;
  /** Where it leads now; empty while pending. */
  readonly targets: readonly PublicationTarget[];
}

export interface PublicationTarget {
  readonly address: Address;
  readonly guestAddress: Address;
  /** The map elements that count its connections, keys as nft prints them. */
  readonly counters: readonly { readonly set: string; readonly key: string }[];
}
