import type { Address, AddressRange, Prefix } from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { Mac } from "../base/mac.ts";
import type { PortProtocol, PortRange } from "../base/port.ts";
import type { Place } from "./problem.ts";

/** What the operator wrote, merged from all policy files, every name still unresolved. */
export interface Policy {
  readonly host: HostPolicy;
  readonly aliases: ReadonlyMap<string, Alias>;
  readonly groups: ReadonlyMap<string, Group>;
  readonly networks: ReadonlyMap<string, NetworkPolicy>;
  readonly guests: ReadonlyMap<string, GuestPolicy>;
}

export interface HostPolicy {
  /** `auto`: pass rules are put where needed; `print`: only said; `off`: foreign tables are not looked at. */
  readonly integration: "auto" | "print" | "off";
  /** One bit of the packet mark, as a 32 bit number with exactly one bit set. */
  readonly mark: number;
  /** Absent: the interfaces that hold a default route. */
  readonly uplinks?: readonly InterfaceName[];
  readonly failsafe: readonly Service[];
  /** Absent: the hypervisor's own input is left alone. */
  readonly input?: readonly HostRule[];
  readonly topology: "host" | "firewall-vm";
  readonly firewallVm?: FirewallVm;
  readonly at: Place;
  /** Where each key under `host` was written. */
  readonly keysAt?: ReadonlyMap<string, Place>;
}

/** Who forwards in this host's place. */
export interface FirewallVm {
  /** More than one where they stand in for each other. */
  readonly guests: readonly string[];
  /** The bridge of their WAN nics. */
  readonly wan: InterfaceName;
  /** MAC addresses that are theirs beside those of their nics: of the routers that they are together (VRRP, CARP). */
  readonly macs: readonly Mac[];
}

export interface Alias {
  readonly name: string;
  readonly members: readonly Prefix[];
  readonly at: Place;
}

/** What a connection is made to: `tcp/80`, `udp/5000-5010`, `icmp`, `any`. */
export type Service =
  | { readonly kind: "ports"; readonly protocol: PortProtocol; readonly ports: PortRange }
  /** All of one protocol; `icmp` stands for ICMP and ICMPv6. */
  | { readonly kind: "protocol"; readonly protocol: PortProtocol | "icmp" }
  | { readonly kind: "any" };

/** The other end of a connection. */
export type Peer =
  | { readonly kind: "any"; readonly at: Place }
  /** The hypervisor itself. */
  | { readonly kind: "host"; readonly at: Place }
  | { readonly kind: "alias"; readonly name: string; readonly at: Place }
  | { readonly kind: "group"; readonly name: string; readonly at: Place }
  | { readonly kind: "prefix"; readonly prefix: Prefix; readonly at: Place };

/**
 * A group is judged without order: a `deny` of any of a guest's groups wins, then an `allow` of any of them; a direction in
 * which some group allows something denies the rest.
 */
export interface Group {
  readonly name: string;
  readonly ingress: readonly GroupRule[];
  readonly egress: readonly GroupRule[];
  readonly at: Place;
}

export interface GroupRule {
  readonly verdict: "allow" | "deny";
  readonly services: readonly Service[];
  /** `from` of an ingress rule, `to` of an egress rule. Empty: anybody. */
  readonly peers: readonly Peer[];
  readonly log: boolean;
  /** New connections beyond it are not matched by this rule. */
  readonly limit?: Limit;
  readonly at: Place;
}

/** A rule of the hypervisor's own input; judged without order, as those of groups are. */
export interface HostRule extends GroupRule {
  /** Networks, and interfaces, by which a connection may come. Empty: by any. */
  readonly on: readonly NameRef[];
}

export interface Limit {
  readonly count: number;
  readonly per: "second" | "minute" | "hour" | "day";
}

export type NetworkMode = "nat" | "route" | "isolated" | "open";

export interface NetworkPolicy {
  readonly name: string;
  /** Absent: the mode of libvirt's XML. */
  readonly mode?: NetworkMode;
  readonly nat?: NatPolicy;
  /** Guests of this network do not reach each other, on the bridge or off it. */
  readonly isolate: boolean;
  /** Networks to which guests of this one may open connections. */
  readonly reach: readonly NameRef[];
  /** Services of the hypervisor for these guests, beyond DHCP, DNS, TFTP and ICMP. */
  readonly services: readonly Service[];
  readonly at: Place;
}

export interface NatPolicy {
  /** Absent: masquerade. IPv4 addresses serve IPv4, IPv6 ones IPv6; the other family masquerades. */
  readonly addresses?: AddressRange;
  readonly ports?: PortRange;
  /** Whether sources of IPv6 are rewritten too; absent: with `mode: nat`, or where libvirt's XML says so. */
  readonly ipv6?: boolean;
  readonly at: Place;
}

export interface NameRef {
  readonly name: string;
  readonly at: Place;
}

export interface GuestPolicy {
  readonly name: string;
  readonly publish: readonly PublicationPolicy[];
  readonly groups: readonly NameRef[];
  readonly filter?: NameRef;
  readonly nics: ReadonlyMap<Mac, NicPolicy>;
  /** The guest may not start while virtwall cannot answer. */
  readonly required: boolean;
  readonly at: Place;
  /** Where each key of the guest was written. */
  readonly keysAt?: ReadonlyMap<string, Place>;
}

export interface NicPolicy {
  readonly mac: Mac;
  /** The guest's address on this nic, before any lease. */
  readonly addresses: readonly Address[];
  readonly filter?: NameRef;
  readonly parameters: ReadonlyMap<string, readonly string[]>;
  /** Where each of them was written. */
  readonly parametersAt?: ReadonlyMap<string, Place>;
  readonly at: Place;
  /** Where each key of the nic was written. */
  readonly keysAt?: ReadonlyMap<string, Place>;
  /** Said by the guest's own XML, not by a policy file. */
  readonly inGuest?: true;
}

export interface PublicationPolicy {
  /** Absent: every address of the uplinks. */
  readonly address?: Address;
  readonly ports: readonly PortMapping[];
  /** Empty: anybody. */
  readonly from: readonly Peer[];
  readonly at: Place;
  /** Said by the guest's own XML, not by a policy file. */
  readonly inGuest?: true;
}

/** `tcp/2222:22`: both ranges are of the same length and map one to one. */
export interface PortMapping {
  readonly protocol: PortProtocol;
  readonly public: PortRange;
  readonly guest: PortRange;
  readonly at: Place;
}
