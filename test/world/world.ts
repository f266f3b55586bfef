import { randomBytes } from "node:crypto";
import { isIPv6 } from "node:net";
import { formatPrefix, parseAddress, prefixOf } from "../../src/base/address.ts";
import { Agent } from "./agent.ts";
import { assertPrivateNamespace } from "./private-namespace.ts";
import { mustRun } from "../../lab/run-program.ts";

/*
 * A hypervisor with guests and the world outside, each a network namespace of its own:
 *
 *   world (198.51.100.50, .60; 192.0.2.1 behind it; routes)
 *     | wan0
 *     | eth0                      the uplink; may be a port of a bridge
 *   host (198.51.100.1) -- virbrN (gateway addresses) -- vnetN --- eth0 of a guest
 *
 * Addresses are in prefix notation: `10.20.0.1/24`, `fd00:20::1/64`.
 */
export interface WorldSpec {
  readonly bridges: readonly BridgeSpec[];
  readonly guests: readonly GuestSpec[];
  readonly uplink: UplinkSpec;
  /** Prefixes that the world sends to the host, beyond those of the bridges. */
  readonly routedToHost: readonly string[];
}

export interface BridgeSpec {
  readonly name: string;
  readonly addresses: readonly string[];
}

export interface GuestSpec {
  readonly name: string;
  readonly nics: readonly NicSpec[];
  /** Absent: the host's addresses on the first nic's bridge. */
  readonly gateways?: readonly string[];
}

export interface NicSpec {
  /** The host's end, named as libvirt names taps. */
  readonly tap: string;
  readonly bridge: string;
  readonly mac: string;
  readonly addresses: readonly string[];
}

export interface UplinkSpec {
  readonly name: string;
  /** The bridge it is a port of; the host's addresses are the bridge's then, unless they are a leg's. */
  readonly bridge?: string;
  readonly leg?: LegSpec;
  readonly addresses: readonly string[];
}

/** How the host stands on a bridge that carries no address of its own: `port` is a port of it, and `name` the other end of the pair. */
export interface LegSpec {
  readonly name: string;
  readonly port: string;
}

/** Where the world stands. The first address of a family is the one it connects from. */
export const worldAddresses = {
  onLink: ["198.51.100.50", "198.51.100.60", "2001:db8:1::50", "2001:db8:1::60"],
  beyond: ["192.0.2.1", "2001:db8:2::1"],
} as const;

export interface World {
  readonly agents: ReadonlyMap<string, Agent>;
  /** The agent of that label: `host`, `world` or a guest's name. Throws for any other. */
  agent(label: string): Agent;
  /** Runs a program in the network namespace of an agent. */
  inside(label: string, command: readonly string[], input?: string): Promise<string>;
  /** The same on the host. */
  onHost(command: readonly string[], input?: string): Promise<string>;
  /** The host's network namespace, for programs that stay. */
  readonly hostNamespace: string;
  /** Whether bridged frames also meet the host's inet chains. */
  setBridgeNetfilter(isOn: boolean): Promise<void>;
  /** The taps, and no others, whose ports send frames back where they came from. */
  setHairpin(taps: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

const bareAddress = (prefix: string): string => prefix.split("/")[0] ?? prefix;

/** Builds the namespaces and starts an agent in each. Throws outside of a private namespace. */
export async function createWorld(spec: WorldSpec): Promise<World> {
  assertPrivateNamespace();
  const tag = `vw${randomBytes(3).toString("hex")}`;
  const labels = ["host", "world", ...spec.guests.map((guest) => guest.name)];
  const namespaces = new Map(labels.map((label) => [label, `${tag}-${label}`]));
  const hostNamespace = `${tag}-host`;
  await batch(
    [],
    [...namespaces.values()].map((name) => `netns add ${name}`),
  );
  const agents = new Map(
    [...namespaces].map(([label, namespace]) => [label, new Agent(label, namespace)]),
  );
  const close = async (): Promise<void> => {
    await Promise.all([...agents.values()].map((agent) => agent.close()));
    await batch(
      [],
      [...namespaces.values()].map((name) => `netns del ${name}`),
    );
  };
  const setBridgeNetfilter = (isOn: boolean): Promise<void> => {
    const value = isOn ? "1" : "0";
    return sysctl(agents, "host", {
      "net.bridge.bridge-nf-call-iptables": value,
      "net.bridge.bridge-nf-call-ip6tables": value,
    });
  };
  const allTaps = spec.guests.flatMap(({ nics }) => nics.map(({ tap }) => tap));
  const setHairpin = async (taps: readonly string[]): Promise<void> => {
    const lines = allTaps.map(
      (tap) => `link set dev ${tap} hairpin ${taps.includes(tap) ? "on" : "off"}`,
    );
    await mustRun(["bridge", "-n", hostNamespace, "-batch", "-"], {
      input: `${lines.join("\n")}\n`,
    });
  };
  try {
    await Promise.all([...agents.values()].map((agent) => quieten(agent)));
    for (const label of ["host", "world"]) await sysctl(agents, label, routing);
    await setBridgeNetfilter(false);
    await connect(spec, tag);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    agents,
    hostNamespace,
    setBridgeNetfilter,
    setHairpin,
    close,
    agent: (label) => {
      const agent = agents.get(label);
      if (agent === undefined) throw new Error(`this world has no ${label}`);
      return agent;
    },
    inside: (label, command, input) => runIn(`${tag}-${label}`, command, input),
    onHost: (command, input) => runIn(hostNamespace, command, input),
  };
}

const routing = { "net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1" };

async function sysctl(
  agents: ReadonlyMap<string, Agent>,
  label: string,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  await agents.get(label)?.sysctl(values);
}

/** No duplicate address detection, so that IPv6 addresses work at once; nothing is sent that a test did not ask for. */
async function quieten(agent: Agent): Promise<void> {
  await agent.sysctl({
    "net.ipv6.conf.all.accept_dad": "0",
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv6.conf.default.dad_transmits": "0",
    "net.ipv6.conf.default.accept_ra": "0",
    "net.ipv6.conf.default.router_solicitations": "0",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.all.accept_redirects": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
    "net.ipv4.ping_group_range": "0 0",
  });
}

async function connect(spec: WorldSpec, tag: string): Promise<void> {
  const { uplink } = spec;
  // A bridge without an address of its own takes that of a port, and changes it with the ports.
  const bridges = spec.bridges.flatMap(({ name }, i) => [
    `link add ${name} address 52:54:00:ff:ff:${String(i).padStart(2, "0")} type bridge stp_state 0 mcast_snooping 0`,
    `link set ${name} up`,
  ]);
  const uplinkPair = [
    `link add ${uplink.name} type veth peer name wan0 netns ${tag}-world`,
    ...joinBridge(uplink.name, uplink.bridge),
    ...legCommands(uplink),
  ];
  const taps = spec.guests.flatMap((guest) =>
    guest.nics.flatMap((nic, i) => [
      `link add ${nic.tap} type veth peer name eth${i} address ${nic.mac} netns ${tag}-${guest.name}`,
      ...joinBridge(nic.tap, nic.bridge),
    ]),
  );
  const own = spec.bridges
    .flatMap((bridge) => addresses(bridge.addresses, bridge.name))
    .concat(addresses(uplink.addresses, uplink.leg?.name ?? uplink.bridge ?? uplink.name));
  const routes = defaultRoutes(worldAddresses.onLink);
  await batch(
    ["-n", `${tag}-host`],
    ["link set lo up", ...bridges, ...uplinkPair, ...taps, ...own, ...routes],
  );
  await batch(["-n", `${tag}-world`], worldCommands(spec));
  await Promise.all(
    spec.guests.map((guest) => batch(["-n", `${tag}-${guest.name}`], guestCommands(spec, guest))),
  );
}

function legCommands({ leg, bridge }: UplinkSpec): string[] {
  if (leg === undefined) return [];
  return [
    `link add ${leg.port} type veth peer name ${leg.name}`,
    ...joinBridge(leg.port, bridge),
    ...joinBridge(leg.name, undefined),
  ];
}

function joinBridge(device: string, bridge: string | undefined): string[] {
  const join = bridge === undefined ? [] : [`link set ${device} master ${bridge}`];
  return [...join, `link set ${device} up`];
}

/** The first IPv6 address is the preferred one; by itself the kernel prefers the last. */
function addresses(prefixes: readonly string[], device: string): string[] {
  const six = prefixes.filter((prefix) => isIPv6(bareAddress(prefix)));
  return prefixes.map((prefix) => {
    const isLater = six.indexOf(prefix) > 0;
    const options = six.includes(prefix) ? ` nodad${isLater ? " preferred_lft 0" : ""}` : "";
    return `addr add ${prefix} dev ${device}${options}`;
  });
}

function defaultRoutes(gateways: readonly string[]): string[] {
  const four = gateways.find((address) => !isIPv6(address));
  const six = gateways.find((address) => isIPv6(address));
  return [
    ...(four === undefined ? [] : [`route add 0.0.0.0/0 via ${four}`]),
    ...(six === undefined ? [] : [`route add ::/0 via ${six}`]),
  ];
}

function worldCommands(spec: WorldSpec): string[] {
  const host = spec.uplink.addresses.map(bareAddress);
  const prefixes = spec.bridges
    .filter((bridge) => bridge.name !== spec.uplink.bridge)
    .flatMap((bridge) => bridge.addresses)
    .concat(spec.uplink.addresses.filter((address) => /\/(32|128)$/.test(address)))
    .concat(spec.routedToHost);
  return [
    "link set lo up",
    "link set wan0 up",
    ...addresses(withLength(worldAddresses.onLink, [24, 64]), "wan0"),
    ...addresses(withLength(worldAddresses.beyond, [32, 128]), "lo"),
    ...prefixes.map((prefix) => {
      const isSix = isIPv6(bareAddress(prefix));
      const via = host.find((address) => isIPv6(address) === isSix);
      return `route replace ${networkOf(prefix)} via ${String(via)}`;
    }),
  ];
}

function withLength(bare: readonly string[], [four, six]: readonly [number, number]): string[] {
  return bare.map((address) => `${address}/${isIPv6(address) ? six : four}`);
}

/** `10.20.0.1/24` is in `10.20.0.0/24`. */
export function networkOf(prefix: string): string {
  const address = parseAddress(bareAddress(prefix));
  if (address === undefined) throw new Error(`${prefix} is no address with a prefix length`);
  return formatPrefix(prefixOf(address, Number(prefix.split("/")[1])));
}

function guestCommands(spec: WorldSpec, guest: GuestSpec): string[] {
  const own = guest.nics.flatMap((nic, i) => [
    `link set eth${i} up`,
    ...addresses(nic.addresses, `eth${i}`),
  ]);
  const bridge = spec.bridges.find(({ name }) => name === guest.nics[0]?.bridge);
  const families = new Set(guest.nics[0]?.addresses.map((address) => isIPv6(bareAddress(address))));
  const routers =
    bridge === undefined || bridge.name === spec.uplink.bridge
      ? worldAddresses.onLink
      : bridge.addresses.map(bareAddress);
  const reachable = (guest.gateways ?? routers).filter((address) => families.has(isIPv6(address)));
  return ["link set lo up", ...own, ...defaultRoutes(reachable)];
}

async function batch(options: readonly string[], commands: readonly string[]): Promise<void> {
  await mustRun(["ip", ...options, "-batch", "-"], { input: `${commands.join("\n")}\n` });
}

function runIn(namespace: string, command: readonly string[], input?: string): Promise<string> {
  return mustRun(["ip", "netns", "exec", namespace, ...command], { input });
}
