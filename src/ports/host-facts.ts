import type { Address, Family, Prefix } from "../base/address.ts";
import type { PortProtocol } from "../base/port.ts";
import type { Neighbour } from "../model/inventory.ts";
import type { SourceText } from "../model/source-text.ts";
import type { Table, TableFamily } from "../nft/ast.ts";
import type { FirewalldFacts } from "./firewalld.ts";
import type { ForeignTable } from "./kernel.ts";
import type { XtablesChain, XtablesListing } from "./xtables.ts";

/** What can be seen of a host, each by itself: where one cannot be looked at, the others can. */
export interface HostFacts {
  /** Settings of the kernel by their paths below /proc/sys; one that the kernel has not is absent. */
  readonly settings: ReadonlyMap<string, string>;
  readonly links: readonly HostLink[];
  readonly routes: readonly HostRoute[];
  readonly routingRules: readonly RoutingRule[];
  readonly neighbours: readonly Neighbour[];
  readonly listeners: readonly Listener[];
  /** Whether the kernel takes what rules of ours are made of, by the name of the feature. */
  readonly features: ReadonlyMap<KernelFeature, boolean>;
  /** Every table, ours too. */
  readonly tables: readonly { readonly family: TableFamily; readonly name: string }[];
  readonly foreign: readonly ForeignTable[];
  readonly xtables: readonly XtablesChain[];
  readonly saves: readonly XtablesListing[];
  /** Undefined where it does not run. */
  readonly firewalld: FirewalldFacts | undefined;
  /** Undefined where it is not installed. */
  readonly libvirt: LibvirtFacts | undefined;
  readonly autostart: AutostartFacts;
  /** The configurations of libvirt's DHCP servers, `NETWORK.conf` each. */
  readonly dhcpServers: readonly SourceText[];
  readonly hooks: HookFacts;
  readonly units: UnitFacts;
  /** Files that firewalls of the host load at their start; those that there are. */
  readonly rulesetFiles: readonly SourceText[];
  readonly clock: ClockFacts;
}

export interface HostLink {
  readonly name: string;
  readonly isUp?: true;
  /** rtnl_link_ops kind: `tun`, `veth`, `bridge`; absent for hardware. */
  readonly kind?: string;
  /** The bridge, or whatever else, that it is a port of. */
  readonly master?: string;
  /** The other end of a pair, where that is on this host too. */
  readonly peer?: string;
  /** A bridge of which frames meet the rules of IP whatever br_netfilter is set to elsewhere. */
  readonly filtersBridged?: true;
  readonly addresses: readonly LinkAddress[];
}

export interface LinkAddress {
  readonly address: Address;
  readonly prefix: Prefix;
  /** The kernel made it of what a router said. */
  readonly isAutomatic: boolean;
}

export interface HostRoute {
  readonly family: Family;
  /** Absent: the default route. */
  readonly prefix?: Prefix;
  /** More than one where it has several next hops; none where it leads nowhere. */
  readonly devices: readonly string[];
  /** The next hop, where there is one. */
  readonly via?: string;
  /** `main` is the kernel's 254. */
  readonly table: string;
  readonly metric: number;
  /** Who made it: `kernel`, `ra`, `static`, `dhcp`. */
  readonly protocol?: string;
}

export interface RoutingRule {
  readonly family: Family;
  /** In the words of `ip rule`, what it does with marks. */
  readonly text: string;
  /** The value that it asks for, where it goes by the mark. */
  readonly mark?: number;
}

export interface Listener {
  readonly protocol: PortProtocol;
  /** Absent: every address of the families. */
  readonly address?: Address;
  readonly families: readonly Family[];
  /** The interface that it is bound to. */
  readonly device?: string;
  readonly port: number;
  /** The program's name, where it can be seen. */
  readonly program?: string;
}

export const kernelFeatures = [
  "inet tables",
  "bridge tables",
  "connection states",
  "nat",
  "reject",
  "log",
  "limits",
  "limits per address",
  "sets of ranges in several fields",
] as const;

export type KernelFeature = (typeof kernelFeatures)[number];

export interface LibvirtFacts {
  readonly version: readonly number[];
  /** `firewall_backend` of network.conf, where it is said. */
  readonly backend?: string;
  /** The backends that made the rules of networks that run, where libvirt has written them down. */
  readonly networkBackends: readonly string[];
  /** What its nftables backend keeps in the kernel. */
  readonly tables: readonly Table[];
}

/** Who brings an interface up, and from which file, where that is known. */
export interface LinkManager {
  readonly kind: "systemd-networkd" | "NetworkManager" | "ifupdown";
  readonly file?: string;
}

/** What libvirt starts with the host, by name. */
export interface AutostartFacts {
  readonly guests: readonly string[];
  readonly networks: readonly string[];
}

export interface HookFacts {
  readonly own: readonly OwnHook[];
  /** Scripts of the admin's own that libvirt runs for guests, and what they read. */
  readonly others: readonly SourceText[];
}

export interface OwnHook {
  readonly driver: string;
  readonly file: string;
  readonly state: "installed" | "stale" | "foreign" | "missing";
  /** Running libvirt processes that started when there was no hook of this driver, and so never look for one. */
  readonly blind: readonly { readonly name: string; readonly pid: number }[];
}

export interface UnitFacts {
  /** systemd is what started this host. */
  readonly isBooted: boolean;
  /** Those that there are. */
  readonly units: ReadonlyMap<string, Unit>;
}

export interface Unit {
  readonly file: string;
  readonly isEnabled: boolean;
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** Those that it starts. */
  readonly wants: readonly string[];
}

export interface ClockFacts {
  /** In ms since the epoch. */
  readonly now: number;
  readonly files: readonly { readonly file: string; readonly changedAt: number }[];
}

/** Looks at one thing; throws what the source of it throws. */
export interface HostExaminer {
  look<Name extends keyof HostFacts>(name: Name): Promise<HostFacts[Name]>;
}
