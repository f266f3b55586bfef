import { joined } from "../base/append.ts";
import type { Address } from "../base/address.ts";
import { defined } from "../base/defined.ts";
import { type InterfaceName, parseInterfaceName } from "../base/interface-name.ts";
import { remembered, rememberedWhile } from "../base/remembered.ts";
import type {
  FirewallIntent,
  HostRuleIntent,
  Intent,
  NetworkIntent,
  NicIntent,
} from "../model/intent.ts";
import type { Inventory, Nic } from "../model/inventory.ts";
import { filterWorldOf } from "../model/filter-binding.ts";
import { firewallOf } from "../model/firewall-vm.ts";
import { type PlacedGuest, placedGuests } from "../model/placed-guests.ts";
import type { HostRule, Policy } from "../model/policy.ts";
import type { Given } from "./given.ts";
import { intendNetworks } from "./intend-networks.ts";
import { intendPublications, type IntendedPublication } from "./intend-publications.ts";

export interface Intended {
  readonly intent: Intent;
  /** Those of each guest. */
  readonly publications: readonly (readonly IntendedPublication[])[];
}

/** Brings policy and inventory together. Names that do not resolve are skipped: the check room has told them. */
export function intend(given: Given): Intended {
  const { policy, inventory } = given;
  const networks = intendNetworks(given);
  const nicsOfGuests = placedGuests(policy, inventory).map(intendNics(policy));
  const publications = intendPublications(given, { networks, nicsOfGuests });
  const bridges = new Set(networks.map((network) => network.bridge));
  return {
    publications,
    intent: {
      mark: policy.host.mark,
      networks,
      nics: joined(nicsOfGuests),
      foreignTaps: foreignTaps(inventory, bridges),
      publications: joined(publications.map(intentsOf)),
      ...filterWorldOf(policy, inventory),
      canReject:
        inventory.host.bridges?.isTracked === true && inventory.host.bridges.canReject === true,
      hostAddresses: hostAddresses(inventory),
      groups: policy.groups,
      ...defined({
        hostInput: policy.host.input?.map((rule) => intendHostRule(rule, networks)),
        firewall: intendFirewall(given, bridges),
      }),
    },
  };
}

function intendFirewall(
  { policy, inventory }: Given,
  guestBridges: ReadonlySet<InterfaceName>,
): FirewallIntent | undefined {
  const firewall = firewallOf(policy);
  if (firewall === undefined) return undefined;
  const others = inventory.host.interfaces.filter(({ kind }) => kind === "bridge");
  const bridges = new Set([...guestBridges, ...others.map(({ name }) => name)]);
  return { ...firewall, bridges: [...bridges].toSorted() };
}

function intendHostRule(rule: HostRule, networks: readonly NetworkIntent[]): HostRuleIntent {
  if (rule.on.length === 0) return { rule };
  const interfaces = rule.on.flatMap(({ name }) => {
    const bridge = networks.find((network) => network.name === name)?.bridge;
    return bridge ?? parseInterfaceName(name) ?? [];
  });
  return { rule, interfaces: [...new Set(interfaces)].toSorted() };
}

const intentsOf = remembered((publications: readonly IntendedPublication[]) =>
  publications.flatMap(({ intents }) => intents),
);

/** On the bridge of the WAN nobody vouches for a nic but the firewall guest's, so that others are as unknown taps there. */
const intendNics = remembered((policy: Policy) =>
  remembered(({ guest: { name: guest }, written, nics }: PlacedGuest): readonly NicIntent[] => {
    const firewall = firewallOf(policy);
    const known = written?.groups.map(({ name }) => name).filter((name) => policy.groups.has(name));
    const groups = [...new Set(known)].toSorted();
    return nics.map(({ nic, network, addresses, binding, leased, offBridge }) => {
      const bridge = nic.bridge ?? network?.bridge;
      if (firewall !== undefined && bridge === firewall.wan && !firewall.guests.includes(guest)) {
        return { guest, mac: nic.mac, bridge, isKeptOut: true, addresses, groups: [] };
      }
      const parts = { guest, bridge, addresses, groups, filter: binding, leased, offBridge };
      return nicIntent(nic, parts);
    });
  }),
);

type NicParts = Pick<NicIntent, "guest" | "addresses" | "groups"> & {
  readonly [Key in "bridge" | "filter" | "leased" | "offBridge"]: NicIntent[Key] | undefined;
};

/** The same object while all of it is the same: of a thousand nics few change at a time. */
const nicIntent = rememberedWhile(
  (_nic: Nic, { guest, bridge, addresses, groups, filter, leased, offBridge }: NicParts) => [
    guest,
    bridge,
    addresses,
    groups.join(),
    filter,
    leased?.join(),
    offBridge,
  ],
  ({ mac, tap, network }, { guest, bridge, addresses, groups, ...filter }): NicIntent => ({
    guest,
    mac,
    ...(tap !== undefined && { tap }),
    ...(network !== undefined && { network }),
    ...(bridge !== undefined && { bridge }),
    addresses,
    groups,
    ...defined({ filter: filter.filter, leased: filter.leased, offBridge: filter.offBridge }),
  }),
);

function hostAddresses({ host, networks }: Inventory): Address[] {
  const own = host.interfaces.flatMap(({ addresses }) => addresses);
  const gateways = networks.flatMap(({ subnets }) => subnets.map(({ gateway }) => gateway));
  return [...new Set([...own, ...gateways])];
}

/**
 * Taps of other programs, on bridges where no guest is. `vnet` is the prefix that libvirt keeps for its own (docs/formatdomain.rst): such
 * a tap is a guest's, also where that guest's XML is not known yet or has errors.
 */
function foreignTaps(
  { host }: Inventory,
  bridges: ReadonlySet<InterfaceName>,
): readonly InterfaceName[] {
  const fresh = new Set(host.freshTaps);
  return host.interfaces
    .filter(({ kind, master }) => kind === "tun" && master !== undefined && !bridges.has(master))
    .map(({ name }) => name)
    .filter((name) => !name.startsWith("vnet") && !fresh.has(name));
}
