import { familyOf, type Family } from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import { portProtocols, type PortProtocol, type PortRange } from "../base/port.ts";
import type { Intent, NetworkIntent } from "../model/intent.ts";
import type { Peer, Service } from "../model/policy.ts";
import type { Element, Expression, SetDefinition } from "../nft/ast.ts";
import { concat, range, value } from "../nft/build.ts";
import { isDefaultNat } from "./lower-nat.ts";
import {
  distinctElements,
  distinctPrefixes,
  distinctRanges,
  families,
  portExpression,
  prefixExpression,
} from "./matches.ts";
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
      "closed",
      judged.filter(({ mode }) => mode !== "route"),
    ),
    pairs("same_bridge", guestNetworks, ({ bridge }) => [bridge]),
    pairs(
      "bridged",
      intent.networks.filter(({ mode }) => mode === "bridge"),
      ({ bridge }) => [bridge],
    ),
    pairs("reach", guestNetworks, ({ reach }) => reach),
    ...families.flatMap((family) => [
      subnets(`sources${family}`, family, judged, everything),
      subnets(
        `nat${family}`,
        family,
        judged.filter((network) => isDefaultNat(network, family)),
        () => [],
      ),
    ]),
    hostServices(judged),
  ];
}

function bridges(name: string, networks: readonly NetworkIntent[]): SetDefinition {
  return interfaces(
    name,
    networks.map(({ bridge }) => bridge),
  );
}

export function interfaces(name: string, names: readonly InterfaceName[]): SetDefinition {
  const elements = distinctElements(names.map((key) => ({ key: value(key) })));
  return { name, type: ["ifname"], flags: [], counter: false, elements };
}

function pairs(
  name: string,
  networks: readonly NetworkIntent[],
  to: (network: NetworkIntent) => readonly InterfaceName[],
): SetDefinition {
  const elements = networks.flatMap((network) =>
    to(network).map((other) => ({ key: concat(value(network.bridge), value(other)) })),
  );
  return {
    name,
    type: ["ifname", "ifname"],
    flags: [],
    counter: false,
    elements: distinctElements(elements),
  };
}

function subnets(
  name: string,
  family: Family,
  networks: readonly NetworkIntent[],
  otherwise: (network: NetworkIntent, family: Family) => Expression[],
): SetDefinition {
  const elements = networks.flatMap((network): Element[] => {
    const prefixes = distinctPrefixes(network.subnets.filter((s) => s.family === family));
    const keys = [...prefixes.map(prefixExpression), ...otherwise(network, family)];
    return keys.map((key) => ({ key: concat(value(network.bridge), key) }));
  });
  return {
    name,
    type: ["ifname", `ipv${family}_addr`],
    flags: ["interval"],
    counter: false,
    elements: distinctElements(elements),
  };
}

/** A network of which libvirt knows no address at all (open, addressed by the admin) has no source to hold its guests to. */
function everything(network: NetworkIntent, family: Family): Expression[] {
  if (network.subnets.length > 0) return [];
  return family === 4
    ? [range("0.0.0.0", "255.255.255.255")]
    : [range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")];
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
  return {
    name: "host_services",
    type: ["ifname", "inet_proto", "inet_service"],
    flags: ["interval"],
    counter: false,
    elements: distinctElements(elements),
  };
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
  return families.flatMap((family) => [
    ...used(peers, "alias").flatMap((name) => {
      const members = intent.aliases.get(name)?.members.filter((m) => m.family === family) ?? [];
      if (members.length === 0) return [];
      const elements = distinctPrefixes(members).map((m) => ({ key: prefixExpression(m) }));
      return [addresses(aliasSet(name, family), { family, flags: ["interval"] }, elements)];
    }),
    ...used(peers, "group").map((name) => {
      const elements = intent.nics
        .filter(({ groups }) => groups.includes(name))
        .flatMap((nic) => nic.addresses)
        .filter(({ address }) => familyOf(address) === family)
        .map(({ address }) => ({ key: value(address) }));
      return addresses(groupSet(name, family), { family, flags: [] }, elements);
    }),
  ]);
}

function addresses(
  name: string,
  form: { family: Family; flags: SetDefinition["flags"] },
  elements: readonly Element[],
): SetDefinition {
  return {
    name,
    type: [`ipv${form.family}_addr`],
    flags: form.flags,
    counter: false,
    elements: distinctElements(elements),
  };
}

function usedPeers(intent: Intent): Peer[] {
  const groups = new Set(intent.nics.flatMap((nic) => nic.groups));
  const rules = [...intent.groups.values()]
    .filter(({ name }) => groups.has(name))
    .flatMap(({ ingress, egress }) => [...ingress, ...egress]);
  return [...rules.flatMap((rule) => rule.peers), ...intent.publications.flatMap((p) => p.from)];
}

function used(peers: readonly Peer[], kind: "alias" | "group"): string[] {
  const names = peers.flatMap((peer) => (peer.kind === kind ? [peer.name] : []));
  return [...new Set(names)].toSorted();
}
