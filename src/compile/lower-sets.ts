import { familyOf, toBits, type Family, type Prefix } from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import { distinctRanges, portProtocols, type PortProtocol, type PortRange } from "../base/port.ts";
import type { Intent, NetworkIntent } from "../model/intent.ts";
import type { Peer, Service } from "../model/policy.ts";
import type { Expression, SetDefinition } from "../nft/ast.ts";
import { concat, value } from "../nft/build.ts";
import { expressionOf, type Interval } from "../nft/interval.ts";
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
      sourceSet(guestNetworks, family),
      defineSet(
        `subnets${family}`,
        { type: [addressType(family)], flags: ["interval"] },
        allSubnets(guestNetworks, family).map((subnet) => ({ key: prefixExpression(subnet) })),
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

/** Who may begin a connection to whom. */
function reachSet(networks: readonly NetworkIntent[]): SetDefinition {
  const elements = networks.flatMap(({ bridge, mode, reach, worldBy = [] }) => {
    const inwards = mode === "route" ? worldBy.map((name) => [name, bridge] as const) : [];
    return [...[...reach, ...worldBy].map((name) => [bridge, name] as const), ...inwards];
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
  return allSubnets([network], family).map(prefixExpression);
}

function allSubnets(networks: readonly NetworkIntent[], family: Family): Prefix[] {
  const subnets = networks.flatMap((network) => network.subnets);
  return distinctPrefixes(subnets.filter((subnet) => subnet.family === family));
}

/**
 * Where packets of networks' guests may come from. A network of which libvirt knows no address at all (open, addressed by the admin)
 * has nothing to hold its guests to but what is another network's.
 */
function sourceSet(networks: readonly NetworkIntent[], family: Family): SetDefinition {
  const unowned = addressesOutside(allSubnets(networks, family), family);
  return subnetSet(
    `sources${family}`,
    family,
    networks.map((network) => [
      network.bridge,
      network.subnets.length > 0 ? subnetsOf(network, family) : unowned,
    ]),
  );
}

/** Every address that none of the prefixes holds, which are distinct and in order. */
function addressesOutside(prefixes: readonly Prefix[], family: Family): Expression[] {
  const end = 1n << (family === 4 ? 32n : 128n);
  const gaps: Interval[] = [];
  let next = 0n;
  for (const { address, length } of prefixes) {
    const first = toBits(address);
    if (first > next) gaps.push({ family, first: next, last: first - 1n });
    next = first + (end >> BigInt(length));
  }
  if (next < end) gaps.push({ family, first: next, last: end - 1n });
  return gaps.map(expressionOf);
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
