import type { Address, AddressRange, Family, Prefix } from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { Mac } from "../base/mac.ts";
import type { PortRange } from "../base/port.ts";
import type { Filter, FilterParameters } from "./filter.ts";
import type { GuestPolicy } from "./policy.ts";
import type { Place } from "./problem.ts";

/** What libvirt and the host say exists. */
export interface Inventory {
  readonly networks: readonly Network[];
  readonly guests: readonly Guest[];
  readonly leases: readonly Lease[];
  readonly host: Host;
  /** Every filter there is, by name; absent: none. */
  readonly filters?: ReadonlyMap<string, Filter>;
  /**
   * Definitions of the operator's that are not in force, by name, each at its first error: there is no filter of that name. Or at its
   * beginning, where others hold it up.
   */
  readonly brokenFilters?: ReadonlyMap<string, Place>;
  /** What guests say or show of themselves; absent where nobody was asked. */
  readonly agentAddresses?: readonly AgentAddress[];
  readonly neighbours?: readonly Neighbour[];
}

/** What a guest's agent says of one of its nics. */
export interface AgentAddress {
  readonly uuid: string;
  readonly mac: Mac;
  readonly address: Address;
}

/** An entry of the kernel's neighbour table. Of one MAC address and IPv4 the one that was confirmed last stands first. */
export interface Neighbour {
  readonly bridge: InterfaceName;
  readonly mac: Mac;
  readonly address: Address;
}

/** A libvirt network that runs. */
export interface Network {
  readonly name: string;
  /** Absent where libvirt gives the network no bridge (macvtap, SR-IOV). */
  readonly bridge?: InterfaceName;
  /** `isolated`: no `<forward>`; `other`: private, vepa, passthrough, hostdev. */
  readonly forward: "nat" | "route" | "open" | "isolated" | "bridge" | "other";
  readonly subnets: readonly Subnet[];
  /** `<forward dev>` or `<interface dev>`: the only interfaces that libvirt lets the network's traffic out by. */
  readonly forwardDevices?: readonly string[];
  /** `<nat ipv6='yes'>` */
  readonly nat6: boolean;
  /** `<nat><address start end>`: IPv4 only, libvirt 11.3 network_conf.c. */
  readonly natAddresses?: AddressRange;
  readonly natPorts?: PortRange;
  readonly reservations: readonly Reservation[];
  /** `<dhcp>` for IPv4: libvirt's own server answers on it. */
  readonly hasDhcp?: true;
  readonly at: Place;
}

export interface Subnet {
  readonly prefix: Prefix;
  /** The host's own address on the bridge. */
  readonly gateway: Address;
}

/** `<dhcp><host>`: by MAC or by guest (host) name. */
export interface Reservation {
  readonly mac?: Mac;
  readonly name?: string;
  readonly address: Address;
}

/** A guest that runs: live domain XML. */
export interface Guest {
  readonly name: string;
  readonly uuid: string;
  /** libvirt's number of a guest that runs: one that was started later has a higher one. */
  readonly id?: number;
  readonly nics: readonly Nic[];
  /** What the policy says of it in its own XML. */
  readonly own?: GuestPolicy;
  /** A guest agent is there and answers. */
  readonly hasAgent?: true;
  readonly at: Place;
}

export interface Nic {
  readonly mac: Mac;
  /** `<target dev>`; absent while the guest has no tap (type direct, user, or not yet started). */
  readonly tap?: InterfaceName;
  /** libvirt network, for `<interface type='network'>`. */
  readonly network?: string;
  /** Bridge that carries the tap, where the XML names one. */
  readonly bridge?: InterfaceName;
  /** Why its frames cross no bridge of the kernel's, as far as libvirt's XML says it: its type, or Open vSwitch. */
  readonly offBridge?: string;
  /** `<interface type='direct'>`: macvtap on top of an interface of the host's. */
  readonly lower?: LowerDevice;
  /** libvirt sets up the bridge's port in a way of its own: isolated, with VLANs, or with a table of addresses that it keeps. */
  readonly hasPortSettings?: true;
  /** `<filterref>`: libvirt itself enforces it. */
  readonly filterRef?: NicFilterReference;
  readonly at: Place;
}

export interface LowerDevice {
  readonly device: string;
  /** libvirt's word; absent is its default, `vepa`. */
  readonly mode?: string;
}

export interface NicFilterReference {
  readonly filter: string;
  readonly parameters: FilterParameters;
  readonly at: Place;
}

export interface Lease {
  readonly mac: Mac;
  readonly address: Address;
  readonly bridge: InterfaceName;
  /** Seconds since the epoch. */
  readonly expires: number;
  /** It had ended when it was read; libvirt's helper strikes such a lease out only when dnsmasq calls it the next time. */
  readonly hasEnded?: true;
}

export interface Host {
  /** Interfaces that hold a default route, with their global addresses. */
  readonly interfaces: readonly HostInterface[];
  /** Absent where that was not looked at. */
  readonly bridges?: BridgeFacts;
  /** Taps that have come, and libvirt was not asked since it had to know of them: whose they are nobody has said yet. */
  readonly freshTaps?: readonly InterfaceName[];
}

/** What the kernel does with frames that go from one port of a bridge to another. */
export interface BridgeFacts {
  /** Families of which they cross the chains of `inet` too (br_netfilter). */
  readonly filtered: readonly Family[];
  /** Rules on a bridge see the states of connections (nf_conntrack_bridge). Absent for whoever may not ask. */
  readonly isTracked?: boolean;
  /** Rules on a bridge may answer in the addressee's name, in prerouting (nft_reject_bridge). Absent for whoever may not ask. */
  readonly canReject?: boolean;
}

export interface HostInterface {
  readonly name: InterfaceName;
  readonly addresses: readonly Address[];
  readonly hasDefaultRoute: boolean;
  /** The bridge this interface is a port of. */
  readonly master?: InterfaceName;
  /** rtnl_link_ops kind: `tun`, `veth`, `bridge`; absent for hardware. */
  readonly kind?: string;
  /** Its bridge sends frames back to the port that they came from. Nothing is decided by it. */
  readonly isHairpin?: boolean;
}
