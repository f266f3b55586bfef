import type { Address } from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { Mac } from "../base/mac.ts";
import { remembered } from "../base/remembered.ts";
import type { Guest, Inventory, Lease, Network, Nic } from "./inventory.ts";

/** The libvirt network of that name. */
export function networkNamed(inventory: Inventory, name: string | undefined): Network | undefined {
  return name === undefined ? undefined : networksOf(inventory.networks).byName.get(name);
}

/** The libvirt network a nic stands in, by its name or by the bridge that carries the nic: the first in libvirt's order. */
export function networkOf(nic: Nic, inventory: Inventory): Network | undefined {
  const { byName, byBridge, order } = networksOf(inventory.networks);
  const named = nic.network === undefined ? undefined : byName.get(nic.network);
  const carrying = nic.bridge === undefined ? undefined : byBridge.get(nic.bridge);
  if (named === undefined || carrying === undefined) return named ?? carrying;
  return (order.get(named) ?? 0) <= (order.get(carrying) ?? 0) ? named : carrying;
}

/** Addresses that `<dhcp><host>` of a network keeps for a nic, by its MAC address or by its guest's name, in the order of the XML. */
export function reservedAddresses(
  network: Network | undefined,
  guest: Pick<Guest, "name">,
  nic: Pick<Nic, "mac">,
): readonly Address[] {
  if (network === undefined || network.reservations.length === 0) return [];
  const { byMac, byName } = reservationsOf(network);
  const found = [...(byMac.get(nic.mac) ?? []), ...(byName.get(guest.name) ?? [])];
  return found.toSorted((a, b) => a.index - b.index).map(({ address }) => address);
}

/** Addresses leased to a MAC address on a bridge, the one that was given last first. */
export function leasedAddresses(
  inventory: Inventory,
  mac: Mac,
  bridge: InterfaceName | undefined,
): readonly Address[] {
  return bridge === undefined
    ? []
    : (leasesOf(inventory.leases).byMac.get(`${mac} ${bridge}`) ?? []);
}

/** Of them, what the network's server of libvirt's has not taken back. */
export function currentLeases(
  inventory: Inventory,
  mac: Mac,
  bridge: InterfaceName | undefined,
): readonly Address[] {
  const { ended } = leasesOf(inventory.leases);
  return leasedAddresses(inventory, mac, bridge).filter(
    (address) => !ended.has(`${mac} ${bridge ?? ""} ${address}`),
  );
}

interface NumberedAddress {
  readonly index: number;
  readonly address: Address;
}

const reservationsOf = remembered(({ reservations }: Network) => {
  const byMac = new Map<string, NumberedAddress[]>();
  const byName = new Map<string, NumberedAddress[]>();
  for (const [index, { mac, name, address }] of reservations.entries()) {
    if (mac !== undefined) add(byMac, mac, { index, address });
    else if (name !== undefined) add(byName, name, { index, address });
  }
  return { byMac, byName };
});

function add<Value>(lists: Map<string, Value[]>, key: string, value: Value): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/** Remembered, since guest after guest is looked up: a scan for each would take a thousand times a thousand steps. */
const networksOf = remembered((networks: readonly Network[]) => {
  // Backwards, so that the first of several stays.
  const backwards = networks.toReversed();
  return {
    byName: new Map(backwards.map((network) => [network.name, network])),
    byBridge: new Map(
      backwards.flatMap((network) =>
        network.bridge === undefined ? [] : [[network.bridge, network]],
      ),
    ),
    order: new Map(networks.map((network, index) => [network, index])),
  };
});

/**
 * A guest that calls itself otherwise than before (another system, another boot loader) is given another address, and its former lease
 * stands until its end (dnsmasq tells clients apart by their client identifier). So the one that ends last counts, and of those without
 * an end the one that libvirt's helper has written last.
 */
const leasesOf = remembered((leases: readonly Lease[]) => {
  const byMac = new Map<string, Address[]>();
  const latestFirst = leases.toReversed().toSorted((a, b) => endOf(b) - endOf(a));
  for (const { mac, bridge, address } of latestFirst) add(byMac, `${mac} ${bridge}`, address);
  return {
    byMac,
    ended: new Set(
      leases
        .filter(({ hasEnded }) => hasEnded)
        .map(({ mac, bridge, address }) => `${mac} ${bridge} ${address}`),
    ),
  };
});

/** Leases that never end are written with 0. */
function endOf({ expires }: Lease): number {
  return expires === 0 ? Number.MAX_SAFE_INTEGER : expires;
}
