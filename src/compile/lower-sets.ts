import { familyOf, type Family } from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import { distinctRanges, portProtocols, type PortProtocol, type PortRange } from "../base/port.ts";
import type { Intent, NetworkIntent } from "../model/intent.ts";
import type { Peer, Service } from "../model/policy.ts";
import type { Expression, SetDefinition } from "../nft/ast.ts";
import { concat, prefix, value } from "../nft/build.ts";
import { addressType, defineSet, interfaceSet } from "./define-set.ts";
import { guardedNics } from "./lower-groups.ts";
import { isDefaultNat } from "./lower-nat.ts";
import { distinctPrefixes, families, portExpression, prefixExpression } from "./matches.ts";
import { aliasSet, groupSet } from "./names.ts";

/** The sets in which networks are elements. */
export function networkSets(intent: Intent): SetDefinition[] {
  const guestNetworks = intent.networks.filter(({ mode }) => mode !== "bridge");
  const judged = guestNetworks.filter(({ mode }) => mode !== "open");
  return [
    bridges("bridges", guestNetworks),
    bridges("judged", judged),
    bridges(
      "apart",
      guestNetworks.filter(({ isolate }) => isolate),
    ),
    bridges(
      "isolated",
      judged.filter(({ mode }) => mode === "isolated"),
    ),
    bridges(
      "confined",
      judged.filter(({ worldBy }) => worldBy !== undefined),
    ),
    bridges(
      "closed",
      judged.filter(({ mode }) => mode !== "route"),
    ),
    pairs("same_bridge", guestNetworks, ({ bridge }) => [bridge]),
    ...firewallSets(intent),
    pairs(
      "bridged",
      intent.networks.filter(({ mode }) => mode === "bridge"),
      ({ bridge }) => [bridge],
    ),
    reachSet(guestNetworks),
    ...families.flatMap((family) => [
      subnetSet(
        `sources${family}`,
        family,
        guestNetworks.map((network) => [network.bridge, sourcesOf(network, family)]),
      ),
      defineSet(
        `subnets${family}`,
        { type: [addressType(family)], flags: ["interval"] },
        distinctPrefixes(
          guestNetworks.flatMap(({ subnets }) => subnets.filter((s) => s.family === family)),
        ).map((subnet) => ({ key: prefixExpression(subnet) })),
      ),
      subnetSet(
        `nat${family}`,
        family,
        judged
          .filter((network) => isDefaultNat(network, family))
          .map((network) => [network.bridge, subnetsOf(network, family)]),
      ),
    ]),
    hostServices(judged),
  ];
}

/** What tells packets that stay on a bridge from those that this host would send on, and the firewall guest from other guests. */
function firewallSets({ firewall, nics }: Intent): SetDefinition[] {
  if (firewall === undefined) return [];
  const bridges = firewall.bridges.map((bridge) => concat(value(bridge), value(bridge)));
  const inside = nics.flatMap(({ guest, bridge, mac }) =>
    firewall.guests.includes(guest) && bridge !== undefined && bridge !== firewall.wan
      ? [mac, ...firewall.macs].map((each) => concat(value(bridge), value(each)))
      : [],
  );
  const set = (name: string, type: readonly string[], keys: readonly Expression[]) =>
    defineSet(
      name,
      { type },
      keys.map((key) => ({ key })),
    );
  return [
    set("one_bridge", ["ifname", "ifname"], bridges),
    set("firewall_nics", ["ifname", "ether_addr"], inside),
  ];
}

function bridges(name: string, networks: readonly NetworkIntent[]): SetDefinition {
  return interfaceSet(
    name,
    networks.map(({ bridge }) => bridge),
  );
}

function pairs(
  name: string,
  networks: readonly NetworkIntent[],
  to: (network: NetworkIntent) => readonly InterfaceName[],
): SetDefinition {
  const elements = networks.flatMap((network) =>
    to(network).map((other) => ({ key: concat(value(network.bridge), value(other)) })),
  );
  return defineSet(name, { type: ["ifname", "ifname"] }, elements);
}

/**
 * Who may begin a connection to whom. The one interface by which a confined network meets the world is no other network's bridge: what
 * that lets in is its own matter.
 */
function reachSet(networks: readonly NetworkIntent[]): SetDefinition {
  const own = new Set(networks.map(({ bridge }) => bridge));
  const elements = networks.flatMap(({ bridge, mode, reach, worldBy = [] }) => {
    const outside = worldBy.filter((name) => !own.has(name));
    const inwards = mode === "route" ? outside.map((name) => [name, bridge] as const) : [];
    return [...[...reach, ...outside].map((name) => [bridge, name] as const), ...inwards];
  });
  return defineSet(
    "reach",
    { type: ["ifname", "ifname"] },
    elements.map(([from, to]) => ({ key: concat(value(from), value(to)) })),
  );
}

/** Elements `bridge . subnet`. */
function subnetSet(
  name: string,
  family: Family,
  networks: readonly (readonly [InterfaceName, readonly Expression[]])[],
): SetDefinition {
  const elements = networks.flatMap(([bridge, subnets]) =>
    subnets.map((subnet) => ({ key: concat(value(bridge), subnet) })),
  );
  return defineSet(name, { type: ["ifname", addressType(family)], flags: ["interval"] }, elements);
}

function subnetsOf(network: NetworkIntent, family: Family): Expression[] {
  const subnets = network.subnets.filter((subnet) => subnet.family === family);
  return distinctPrefixes(subnets).map(prefixExpression);
}

/**
 * Where packets of a network's guests may come from. A network of which libvirt knows no address at all (open, addressed by the
 * admin) has nothing to hold its guests to.
 */
function sourcesOf(network: NetworkIntent, family: Family): Expression[] {
  if (network.subnets.length > 0) return subnetsOf(network, family);
  return [family === 4 ? prefix("0.0.0.0", 0) : prefix("::", 0)];
}

/** Services of the hypervisor that policy opens to a network, beyond those every network has. */
function hostServices(networks: readonly NetworkIntent[]): SetDefinition {
  const elements = networks.flatMap(({ bridge, services }) =>
    portProtocols.flatMap((protocol) =>
      distinctRanges(services.flatMap((service) => portsOf(service, protocol))).map((ports) => ({
        key: concat(value(bridge), value(protocol), portExpression(ports)),
      })),
    ),
  );
  const type = ["ifname", "inet_proto", "inet_service"];
  return defineSet("host_services", { type, flags: ["interval"] }, elements);
}

function portsOf(service: Service, protocol: PortProtocol): PortRange[] {
  if (service.kind === "any") return [allPorts];
  if (service.protocol !== protocol) return [];
  return [service.kind === "ports" ? service.ports : allPorts];
}

const allPorts = { first: 0, last: 65535 };

/** The sets of addresses that rules refer to: aliases, and members of groups. Only those in use exist. */
export function peerAddressSets(intent: Intent): SetDefinition[] {
  const peers = usedPeers(intent);
  return families.flatMap((family) => {
    const type = [addressType(family)];
    return [
      ...used(peers, "alias").flatMap((name) => {
        const set = defineAlias(intent, name, family);
        return set.elements.length === 0 ? [] : [set];
      }),
      ...used(peers, "group").map((name) => {
        const elements = guardedNics(intent)
          .filter(({ groups }) => groups.includes(name))
          .flatMap((nic) => nic.addresses)
          .filter(({ address }) => familyOf(address) === family)
          .map(({ address }) => ({ key: value(address) }));
        return defineSet(groupSet(name, family), { type }, elements);
      }),
    ];
  });
}

function defineAlias({ aliases }: Intent, name: string, family: Family): SetDefinition {
  const members = aliases.get(name)?.members.filter((member) => member.family === family) ?? [];
  const elements = distinctPrefixes(members).map((member) => ({ key: prefixExpression(member) }));
  const form = { type: [addressType(family)], flags: ["interval"] as const };
  return defineSet(aliasSet(name, family), form, elements);
}

/** Those of aliases that are among the names, empty ones too. */
export function aliasSets(intent: Intent, names: ReadonlySet<string>): SetDefinition[] {
  const all = [...intent.aliases.keys()].toSorted();
  return all.flatMap((alias) =>
    families
      .filter((family) => names.has(aliasSet(alias, family)))
      .map((family) => defineAlias(intent, alias, family)),
  );
}

function usedPeers(intent: Intent): Peer[] {
  const groups = new Set(guardedNics(intent).flatMap((nic) => nic.groups));
  const rules = [...intent.groups.values()]
    .filter(({ name }) => groups.has(name))
    .flatMap(({ ingress, egress }) => [...ingress, ...egress]);
  const hostRules = (intent.hostInput ?? []).map(({ rule }) => rule);
  return [
    ...[...rules, ...hostRules].flatMap((rule) => rule.peers),
    ...intent.publications.filter(({ from }) => from.length > 0).flatMap(({ from }) => from),
  ];
}

function used(peers: readonly Peer[], kind: "alias" | "group"): string[] {
  const names = peers.flatMap((peer) => (peer.kind === kind ? [peer.name] : []));
  return [...new Set(names)].toSorted();
}
