import type { Address } from "../base/address.ts";
import type { Guest, Inventory } from "../model/inventory.ts";
import type { Policy } from "../model/policy.ts";
import { learnedAddresses } from "../model/learned-addresses.ts";
import { leasedAddresses, networkOf, reservedAddresses } from "../model/inventory-index.ts";

/** Every address that is known of a guest, wherever from. */
export function knownAddresses(guest: Guest, policy: Policy, inventory: Inventory): Address[] {
  return guest.nics.flatMap((nic) => {
    const network = networkOf(nic, inventory);
    const fixed = policy.guests.get(guest.name)?.nics.get(nic.mac)?.addresses ?? [];
    const reserved = reservedAddresses(network, guest, nic);
    const leased = leasedAddresses(inventory, nic.mac, network?.bridge ?? nic.bridge);
    const learned = learnedAddresses(policy, inventory).byNic.get(nic);
    const { agent = [], neighbour = [] } = learned ?? {};
    return [...fixed, ...reserved, ...leased, ...agent, ...neighbour];
  });
}
