import type { Family } from "../base/address.ts";
import type { Clock } from "./clock.ts";
import type { Called } from "./listeners.ts";
import type { Loss } from "./loss.ts";
import type { Route, RouteQuery } from "./routes.ts";
import type { Known, Loaded, Outsider } from "./value.ts";

/** An interface of the host, as far as rules ask. */
export interface Interface {
  readonly name: string;
  /** `tun`, `veth`, `bridge`; absent for hardware and the loopback. */
  readonly kind?: string;
  readonly isLoopback: boolean;
  /** Hardware address. */
  readonly mac: bigint;
  /** Absent where nobody told. */
  readonly group?: number;
  /** In the order in which the kernel lists them; those of scope global only. */
  readonly addresses: readonly InterfaceAddress[];
}

export interface InterfaceAddress {
  readonly family: Family;
  readonly bits: bigint;
  readonly length: number;
}

/** What `fib` asks: the route of one end of the packet, or the type of its address. */
export interface FibQuery {
  readonly family: Family;
  readonly result: string;
  readonly end: "source" | "destination";
  readonly source: Loaded;
  readonly destination: Loaded;
  readonly mark?: Known;
  /** The interface that the answer is held to (`. iif`, `. oif`). */
  readonly device?: string;
  /** Whether routes by other interfaces are passed over. */
  readonly isBound?: true;
}

/** What rules ask of the host beyond the packet itself. */
export interface Host {
  readonly clock: Clock;
  readonly interfaces: ReadonlyMap<string, Interface>;
  fib(query: FibQuery): Loaded;
  route(query: RouteQuery): Route;
  /** Whether it sends on what it receives there and is not for it. */
  forwards(family: Family, iif: string): boolean;
  /** Why it takes no packet from that source there (rp_filter, an address of its own); undefined where it does. */
  refuses(family: Family, source: bigint | Outsider, iif: string): Loss | undefined;
  /** Anybody who is beyond the default route. */
  outsider(family: Family): Outsider;
  /** Whether frames between ports of a bridge meet the chains of IP too (br_netfilter). */
  filtersBridged(family: Family): boolean;
  /** The bridge that an interface is a port of. */
  bridgeOf(port: string): string | undefined;
  /** The bridge on which an interface stands without being a port of it: the other end of its pair is one. */
  segmentOf(device: string): string | undefined;
  /** The other end of a pair, where that is one of the host's own. */
  peerOf(device: string): string | undefined;
  /** The macvtap on an interface of the host's that has that hardware address. */
  macvtapOn(device: string, mac: bigint): string | undefined;
  /** The ports of a bridge, those of guests first. */
  portsOf(bridge: string): readonly string[];
  /** Where a bridge sends frames to that address; `self`: up to the host. Undefined where it would send them to all ports. */
  portTo(bridge: string, mac: bigint): string | undefined;
  /** The hardware address of the guest's nic whose tap it is. */
  behind(port: string): bigint | undefined;
  /** Whether it has asked in vain who has the address. */
  isSilent(device: string, address: bigint): boolean;
  /** The addresses by which it knows a neighbour there. */
  heardOf(device: string, mac: bigint): readonly string[];
  /** Whether a process waits for that. */
  hears(called: Called): boolean;
  /** Whether a program takes what rules hand to that queue. */
  reads(queue: number): boolean;
  /** The tap of a nic that belongs on the bridge and is none of its ports. */
  detached(bridge: string, mac: bigint): string | undefined;
  /** The hardware address of a neighbour, where the host knows it. */
  neighbour(device: string, address: bigint): bigint | undefined;
}
