import { familyOf, type Family } from "../base/address.ts";
import { parseInterfaceName, type InterfaceName } from "../base/interface-name.ts";
import { firewallOf } from "../model/firewall-vm.ts";
import type { NatIntent, NetworkIntent } from "../model/intent.ts";
import type { Network } from "../model/inventory.ts";
import type { NetworkPolicy } from "../model/policy.ts";
import { uplinkNames } from "../model/uplinks.ts";
import type { Given } from "./given.ts";

/** libvirt leaves the ports below 1024 alone, because NFS servers trust them (network_conf.c); so do we. */
const natPorts = { first: 1024, last: 65535 };

/** Every bridge that carries guests, once each: libvirt's networks, then bridges that only a nic or the topology names. */
export function intendNetworks(given: Given): NetworkIntent[] {
  const { policy, inventory } = given;
  const uplinks = uplinkNames(policy.host, inventory.host);
  const wan = firewallOf(policy)?.wan;
  const bridgeOf = new Map(inventory.networks.map(({ name, bridge }) => [name, bridge]));
  const networks = new Map<InterfaceName, NetworkIntent>();
  for (const network of inventory.networks) {
    if (network.bridge === undefined || networks.has(network.bridge)) continue;
    const wanted = policy.networks.get(network.name);
    const reach = (wanted?.reach ?? []).flatMap(({ name }) => bridgeOf.get(name) ?? []);
    const intended = {
      ...intendNetwork(network, wanted, uplinks),
      bridge: network.bridge,
      reach: reach.filter((bridge) => bridge !== network.bridge),
    };
    networks.set(network.bridge, wan === undefined ? intended : unrouted(intended, wan));
  }
  const others = inventory.guests.flatMap((guest) => guest.nics.map(({ bridge }) => bridge));
  for (const bridge of [...others, wan]) {
    if (bridge === undefined || networks.has(bridge)) continue;
    networks.set(bridge, { ...plainBridge, name: bridge, bridge });
  }
  return metOutside([...networks.values()]);
}

/** The one interface by which a confined network meets the world is no other network's bridge: what that lets in is its own matter. */
function metOutside(networks: readonly NetworkIntent[]): NetworkIntent[] {
  const own = new Set(networks.filter(({ mode }) => mode !== "bridge").map(({ bridge }) => bridge));
  return networks.map((network) => {
    const { worldBy } = network;
    if (worldBy === undefined) return network;
    return { ...network, worldBy: worldBy.filter((name) => !own.has(name)) };
  });
}

const plainBridge = {
  mode: "bridge",
  subnets: [],
  isolate: false,
  reach: [],
  services: [],
} as const;

/** Where a guest forwards in this host's place, each network is by itself: what that guest lets through this host only bridges. */
function unrouted(network: NetworkIntent, wan: InterfaceName): NetworkIntent {
  const { name, bridge } = network;
  if (bridge === wan) return { ...plainBridge, name, bridge };
  const { nat4: _nat4, nat6: _nat6, worldBy: _worldBy, ...rest } = network;
  return { ...rest, mode: network.mode === "bridge" ? "bridge" : "isolated", reach: [] };
}

function intendNetwork(
  network: Network,
  wanted: NetworkPolicy | undefined,
  uplinks: ReadonlySet<string>,
): Omit<NetworkIntent, "bridge" | "reach"> {
  const mode = modeOf(network, wanted, uplinks);
  const nat4 = mode === "nat" ? natOf(network, wanted, 4) : undefined;
  const nat6 = mode === "nat" ? natOf(network, wanted, 6) : undefined;
  const worldBy = mode === "nat" || mode === "route" ? worldByOf(network) : undefined;
  return {
    name: network.name,
    mode,
    subnets: network.subnets.map((subnet) => subnet.prefix),
    ...(nat4 && { nat4 }),
    ...(nat6 && { nat6 }),
    ...(worldBy && { worldBy }),
    isolate: wanted?.isolate ?? false,
    services: wanted?.services ?? [],
  };
}

/** A bridge that is itself an uplink joins guests to the outside whatever the XML calls it: there is nothing to route or judge. */
function modeOf(
  network: Network,
  wanted: NetworkPolicy | undefined,
  uplinks: ReadonlySet<string>,
): NetworkIntent["mode"] {
  if (network.bridge !== undefined && uplinks.has(network.bridge)) return "bridge";
  if (network.forward === "bridge" || network.forward === "other") return "bridge";
  return wanted?.mode ?? network.forward;
}

/** libvirt looks at the first of several (libvirt 11.3 network_nftables.c). One that has no usable name is none. */
function worldByOf({ forward, forwardDevices }: Network): readonly InterfaceName[] | undefined {
  const [device] = forwardDevices ?? [];
  if (device === undefined || (forward !== "nat" && forward !== "route")) return undefined;
  const name = parseInterfaceName(device);
  return name === undefined ? [] : [name];
}

/**
 * IPv6 of a network whose XML says `nat` is rewritten only with `<nat ipv6='yes'>`, as libvirt does; a policy that says `nat`
 * means both families, unless it says otherwise.
 */
function natOf(
  network: Network,
  wanted: NetworkPolicy | undefined,
  family: Family,
): NatIntent | undefined {
  const { ports, ipv6 } = wanted?.nat ?? {};
  if (family === 6 && !(ipv6 ?? (wanted?.mode === "nat" || network.nat6))) return undefined;
  const addresses = wanted?.nat?.addresses ?? network.natAddresses;
  return {
    ports: ports ?? network.natPorts ?? natPorts,
    ...(addresses !== undefined && familyOf(addresses.first) === family && { addresses }),
  };
}
