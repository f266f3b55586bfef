import { type Family, parseAddress, toBits } from "../base/address.ts";
import type { Clock } from "./clock.ts";
import { answerFib } from "./fib.ts";
import type { Host, Interface } from "./host.ts";
import { hears, type Listener } from "./listeners.ts";
import type { Loss } from "./loss.ts";
import { findRoute, outsider, type Route, type RouteQuery, type RouteTables } from "./routes.ts";
import { deafTowards } from "./unheard-routers.ts";
import type { Outsider } from "./value.ts";

/** A row of `ip -j -d addr` (iproute2 6.1), as far as it is asked for. */
export interface LinkRow {
  readonly ifname: string;
  readonly flags?: readonly string[];
  readonly address?: string;
  readonly master?: string;
  /** The other end of a pair in the same namespace, or the interface that carries it. */
  readonly link?: string;
  readonly group?: string;
  readonly linkinfo?: { readonly info_kind?: string; readonly info_slave_kind?: string };
  readonly addr_info?: readonly {
    readonly local?: string;
    readonly prefixlen?: number;
    readonly scope?: string;
    /** Who made it, such as `kernel_ra`: Linux 5.18 and newer. */
    readonly protocol?: string;
    readonly dynamic?: boolean;
  }[];
}

/** A row of `ip -j neigh`. */
export interface NeighbourRow {
  readonly dst?: string;
  readonly dev?: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
}

/** A row of `bridge -j fdb`. */
export interface ForwardingRow {
  readonly mac?: string;
  readonly ifname?: string;
  readonly master?: string;
  readonly state?: string;
}

/** What the host's own programs and settings say of its network. */
export interface HostListing {
  readonly links: readonly LinkRow[];
  readonly routing: RouteTables;
  readonly neighbours: readonly NeighbourRow[];
  readonly forwarding: readonly ForwardingRow[];
  /** By path below /proc/sys; a setting that the kernel has not is absent. */
  readonly settings: ReadonlyMap<string, string>;
  /** Nics of guests: what idles is forgotten by neighbour and forwarding tables. */
  readonly nics: readonly KnownNic[];
  /** Sockets that wait for somebody to begin. */
  readonly listeners: readonly Listener[];
  /** Queues of packets that programs have bound themselves to, by number. */
  readonly queues: ReadonlySet<number>;
  readonly clock: Clock;
}

export interface KnownNic {
  readonly guest: string;
  readonly mac: string;
  readonly tap?: string;
  readonly bridge?: string;
  readonly addresses: readonly string[];
  readonly network?: string;
  /** Whether everybody may come to its network, or only to what is published. */
  readonly isRouted?: boolean;
  readonly groups?: readonly string[];
  /** Its filter's name. */
  readonly filter?: string;
}

/** The settings that {@link readHost} asks for. Those of a bridge's port mean nothing: what it receives is IP to the bridge alone. */
export function settingsOf(links: readonly LinkRow[]): string[] {
  const names = links.filter((link) => !isBridgePort(link)).map(({ ifname }) => ifname);
  const each = ["all", ...names].flatMap((name) => [
    `net/ipv4/conf/${name}/forwarding`,
    `net/ipv4/conf/${name}/rp_filter`,
    `net/ipv6/conf/${name}/accept_ra`,
  ]);
  const bridge = ["iptables", "ip6tables"].map((name) => `net/bridge/bridge-nf-call-${name}`);
  return [...each, ...bridge, "net/ipv6/conf/all/forwarding"];
}

export function readHost(listing: HostListing): Host {
  const { links, routing, settings, listeners } = listing;
  const interfaces = new Map(links.map((link) => [link.ifname, readLink(link)]));
  const ports = new Map(links.filter(isBridgePort).map(({ ifname, master }) => [ifname, master]));
  const peers = new Map(links.filter(isPaired).map(({ ifname, link }) => [ifname, link]));
  const isOn = (path: string) => settings.get(path) === "1";
  return {
    clock: listing.clock,
    interfaces,
    route: (query) => routeTo(listing, query),
    fib: (query) => answerFib(routing, query),
    forwards: (family, iif) =>
      isOn(family === 4 ? `net/ipv4/conf/${iif}/forwarding` : "net/ipv6/conf/all/forwarding"),
    refuses: (family, source, iif) => refusal(listing, family, { source, iif }),
    outsider: (family) => outsider(routing, family),
    filtersBridged: (family) =>
      isOn(`net/bridge/bridge-nf-call-${family === 4 ? "iptables" : "ip6tables"}`),
    reads: (queue) => listing.queues.has(queue),
    hears: (called) => listeners.some((each) => hears(each, called)),
    behind: (port) => macBits(listing.nics.find(({ tap }) => tap === port)?.mac ?? ""),
    isSilent: (device, address) => isSilent(listing, device, address),
    heardOf: (device, mac) => heardOf(listing, device, mac),
    bridgeOf: (port) => ports.get(port),
    segmentOf: (device) => ports.get(peers.get(device) ?? ""),
    peerOf: (device) => peers.get(device),
    macvtapOn: (device, mac) =>
      links.find(
        ({ link, linkinfo, address }) =>
          link === device && linkinfo?.info_kind === "macvtap" && macBits(address ?? "") === mac,
      )?.ifname,
    portsOf: (bridge) => portsOf(listing, bridge),
    portTo: (bridge, mac) => portTo(listing, bridge, mac),
    detached: (bridge, mac) => {
      const tap = listing.nics.find(
        (nic) => nic.bridge === bridge && macBits(nic.mac) === mac,
      )?.tap;
      return tap !== undefined && ports.get(tap) !== bridge ? tap : undefined;
    },
    neighbour: (device, address) => neighbour(listing, device, address),
  };
}

function isPaired({ linkinfo, link }: LinkRow): boolean {
  return linkinfo?.info_kind === "veth" && link !== undefined;
}

function portsOf({ links, nics }: HostListing, bridge: string): string[] {
  const taps = new Set(nics.map(({ tap }) => tap));
  const ports = links.filter(({ master }) => master === bridge).map(({ ifname }) => ifname);
  return [...ports.filter((port) => taps.has(port)), ...ports.filter((port) => !taps.has(port))];
}

function routeTo(listing: HostListing, query: RouteQuery): Route {
  const route = findRoute(listing.routing, query);
  if (query.family === 4 || route.kind !== "none" || route.loss.why !== "no route") return route;
  const deaf = deafTowards(listing);
  return deaf === undefined ? route : { kind: "none", loss: { why: "no route", deaf } };
}

function isBridgePort({ linkinfo }: LinkRow): boolean {
  return linkinfo?.info_slave_kind === "bridge";
}

function readLink({ ifname, flags, linkinfo, group, address, addr_info }: LinkRow): Interface {
  const isLoopback = flags?.includes("LOOPBACK") === true;
  const kind = linkinfo?.info_kind;
  return {
    name: ifname,
    isLoopback,
    ...(kind !== undefined && { kind }),
    ...(group === "default" ? { group: 0 } : {}),
    mac: macBits(address ?? "") ?? 0n,
    addresses: (addr_info ?? [])
      .filter(({ scope }) => scope === "global")
      .flatMap(({ local = "", prefixlen = 0 }) => {
        const parsed = parseAddress(local);
        if (parsed === undefined) return [];
        const family: Family = parsed.includes(":") ? 6 : 4;
        return [{ family, bits: toBits(parsed), length: prefixlen }];
      }),
  };
}

export function macBits(text: string): bigint | undefined {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)
    ? BigInt(`0x${text.replaceAll(":", "")}`)
    : undefined;
}

/** IPv4 alone looks back (fib_validate_source): at its own addresses, and as strictly as rp_filter says. */
function refusal(
  { routing, settings }: HostListing,
  family: Family,
  { source, iif }: { source: bigint | Outsider; iif: string },
): Loss | undefined {
  if (family === 6) return undefined;
  const back = findRoute(routing, { family, source: 0n, destination: source, mark: 0n });
  if (back.kind === "local") return { why: "own source" };
  const path = (name: string) => Number(settings.get(`net/ipv4/conf/${name}/rp_filter`) ?? 0);
  const strictness = Math.max(path("all"), path(iif));
  if (strictness === 0 || back.kind === "unknown") return undefined;
  if (back.kind !== "unicast") return { why: "wrong way back", iif };
  const { dev } = back;
  return strictness === 1 && dev !== iif ? { why: "wrong way back", iif, dev } : undefined;
}

function portTo(listing: HostListing, bridge: string, mac: bigint): string | undefined {
  const own = listing.links.find(({ ifname }) => ifname === bridge);
  if (macBits(own?.address ?? "") === mac) return "self";
  const row = listing.forwarding.find(
    (each) => each.master === bridge && macBits(each.mac ?? "") === mac,
  );
  // The addresses of the ports themselves lead up to the host.
  if (row !== undefined) return row.state === "permanent" ? "self" : row.ifname;
  const tap = listing.nics.find((nic) => macBits(nic.mac) === mac)?.tap;
  const link = listing.links.find(({ ifname }) => ifname === tap);
  return link?.master === bridge ? tap : undefined;
}

function neighbour(listing: HostListing, device: string, address: bigint): bigint | undefined {
  const isIt = (text: string | undefined) => text !== undefined && toBits(text) === address;
  const row = listing.neighbours.find(
    ({ dst, dev, lladdr }) => dev === device && lladdr !== undefined && isIt(dst),
  );
  const mac = row?.lladdr ?? listing.nics.find(({ addresses }) => addresses.some(isIt))?.mac;
  return mac === undefined ? undefined : macBits(mac);
}

function heardOf({ neighbours }: HostListing, device: string, mac: bigint): string[] {
  return neighbours
    .filter(({ dev, lladdr = "" }) => dev === device && macBits(lladdr) === mac)
    .flatMap(({ dst = "" }) => parseAddress(dst) ?? []);
}

function isSilent({ neighbours }: HostListing, device: string, address: bigint): boolean {
  return neighbours.some(
    ({ dst, dev, state }) =>
      dev === device &&
      state?.some((word) => word === "FAILED" || word === "INCOMPLETE") === true &&
      dst !== undefined &&
      toBits(dst) === address,
  );
}
