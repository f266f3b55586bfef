import type { Address, AddressRange, Prefix } from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { Mac } from "../base/mac.ts";
import type { PortProtocol, PortRange } from "../base/port.ts";
import type { FilterBinding, FilterWorld } from "./filter-binding.ts";
import type { FirewallVm, Group, HostRule, Peer, Service } from "./policy.ts";

/** What is to hold on this host now: policy and inventory brought together, every name resolved, no firewall's word in it. */
export interface Intent extends FilterWorld {
  /** The bit of the packet mark that says "allowed". */
  readonly mark: number;
  readonly networks: readonly NetworkIntent[];
  readonly nics: readonly NicIntent[];
  /** Taps on bridges that are none of ours: they belong to somebody else and may send. */
  readonly foreignTaps: readonly InterfaceName[];
  readonly publications: readonly PublicationIntent[];
  /** Rules on bridges may answer a packet that they refuse. */
  readonly canReject: boolean;
  /** Those of the host itself, and those at which networks have their gateway. */
  readonly hostAddresses: readonly Address[];
  readonly groups: ReadonlyMap<string, Group>;
  /** Absent: the hypervisor's own input is left alone. */
  readonly hostInput?: readonly HostRuleIntent[];
  /** Absent: this host itself sends on what its guests and others say to each other. */
  readonly firewall?: FirewallIntent;
}

/** `topology: firewall-vm`: this host sends nothing on. Its guests do, and they alone may speak on the bridge of the WAN. */
export interface FirewallIntent extends FirewallVm {
  /** Every bridge of the host: what stays on one is not sent on. */
  readonly bridges: readonly InterfaceName[];
}

export interface HostRuleIntent {
  readonly rule: HostRule;
  /** By which of the host's interfaces; absent: by any. */
  readonly interfaces?: readonly InterfaceName[];
}

export interface NetworkIntent {
  /** The network's name, or the bridge's where guests sit on a bridge that no libvirt network describes. */
  readonly name: string;
  readonly bridge: InterfaceName;
  /**
   * `nat`, `route`, `isolated`: judged by us. `open`: libvirt's open network without a mode in policy: no verdict but for
   * publications. `bridge`: guests stand in the uplink's own network.
   */
  readonly mode: "nat" | "route" | "isolated" | "open" | "bridge";
  readonly subnets: readonly Prefix[];
  /** How sources are rewritten on the way to the world, a family; absent: they are not. */
  readonly nat4?: NatIntent;
  readonly nat6?: NatIntent;
  readonly isolate: boolean;
  /** The interfaces by which alone guests and the world meet (`<forward dev>`), no guests' bridge; absent: whichever; empty: they do not. */
  readonly worldBy?: readonly InterfaceName[];
  /** Bridges of the networks that guests of this one may reach. */
  readonly reach: readonly InterfaceName[];
  readonly services: readonly Service[];
}

export interface NatIntent {
  /** Absent: the address of the interface the packet leaves by. */
  readonly addresses?: AddressRange;
  /** Source ports for TCP and UDP. */
  readonly ports: PortRange;
}

export interface NicIntent {
  readonly guest: string;
  readonly mac: Mac;
  readonly tap?: InterfaceName;
  readonly network?: string;
  readonly bridge?: InterfaceName;
  /** It is where only the firewall guest may be, and passes nothing. */
  readonly isKeptOut?: true;
  readonly addresses: readonly NicAddress[];
  /** Sorted. */
  readonly groups: readonly string[];
  readonly filter?: FilterBinding;
  /** Why no rule of a bridge judges it, where it has a filter. */
  readonly offBridge?: string;
  /** IPv4 addresses that libvirt's DHCP server has given it, where the filter takes its addresses from DHCP. */
  readonly leased?: readonly Address[];
}

export interface NicAddress {
  readonly address: Address;
  readonly source: AddressSource;
}

/** Where a guest's address is known from, best first. The last two are the guest's own word. */
export type AddressSource = "policy" | "reservation" | "lease" | "agent" | "neighbour";

/** One public address and port range that leads to a guest now. */
export interface PublicationIntent {
  readonly address: Address;
  readonly protocol: PortProtocol;
  readonly public: PortRange;
  readonly guestAddress: Address;
  /** As long as `public`. */
  readonly guestPorts: PortRange;
  /** Empty: anybody. */
  readonly from: readonly Peer[];
}
