import { familyOf, type Address, type Family } from "../base/address.ts";
import type { AddressSource, NicAddress } from "../model/intent.ts";
import type { Guest, Inventory, Nic } from "../model/inventory.ts";
import { leasedAddresses, networkNamed, reservedAddresses } from "../model/inventory-index.ts";
import { learnedAddresses } from "../model/learned-addresses.ts";
import type { Given } from "./given.ts";

/**
 * Addresses of a nic, a family at a time from the best source that knows any: policy's fixed addresses, then libvirt's
 * `<dhcp><host>` reservation, then its lease, then what the guest's agent says, then the neighbour table.
 */
export function addressesOf(guest: Guest, nic: Nic, given: Given): NicAddress[] {
  const { policy, inventory } = given;
  const learned = learnedAddresses(policy, inventory).byNic.get(nic);
  const sources: readonly (readonly [AddressSource, readonly Address[]])[] = [
    ["policy", policy.guests.get(guest.name)?.nics.get(nic.mac)?.addresses ?? []],
    ["reservation", reservedAddresses(networkNamed(inventory, nic.network), guest, nic)],
    ["lease", leasedTo(nic, inventory)],
    ["agent", learned?.agent ?? []],
    ["neighbour", latest(learned?.neighbour ?? [])],
  ];
  const families: readonly Family[] = [4, 6];
  return families.flatMap((family) => {
    for (const [source, addresses] of sources) {
      const known = addresses.filter((address) => familyOf(address) === family);
      if (known.length > 0) return known.map((address) => ({ address, source }));
    }
    return [];
  });
}

/** The kernel keeps what a guest had before: of IPv4, where a nic has one address, only the entry that was confirmed last counts. */
function latest(neighbours: readonly Address[]): readonly Address[] {
  const first = neighbours.find((address) => familyOf(address) === 4);
  return neighbours.filter((address) => familyOf(address) === 6 || address === first);
}

function leasedTo(nic: Nic, inventory: Inventory): readonly Address[] {
  const bridge = nic.bridge ?? networkNamed(inventory, nic.network)?.bridge;
  return leasedAddresses(inventory, nic.mac, bridge);
}
