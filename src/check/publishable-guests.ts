import { familyOf } from "../base/address.ts";
import { quote } from "../base/quote.ts";
import { breach } from "./law.ts";
import { addressesOf } from "../model/nic-addresses.ts";
import { networkOf } from "../model/inventory-index.ts";
import type { Guest, Inventory, Nic } from "../model/inventory.ts";
import type { Law } from "./law.ts";
import type { Problem } from "../model/problem.ts";

/** A publication leads to an address behind this host, of the public address's family. */
export const publishableGuests: Law = (policy, inventory) =>
  inventory.guests.flatMap((guest): Problem[] => {
    const publish = policy.guests.get(guest.name)?.publish ?? [];
    if (publish.length === 0) return [];
    if (isBridgedOnly(guest, inventory)) {
      return publish.map(({ at }) =>
        breach("warning", "PUBLISH_ON_BRIDGED", {
          at,
          message: `guest ${quote(guest.name)} stands on a bridge with the outside and has its own address there`,
          hint: "remove the publication: clients reach the guest's own address",
        }),
      );
    }
    const known = guest.nics.flatMap((nic) => addressesOf(guest, nic, { policy, inventory }));
    const families = new Set(known.map(({ address }) => familyOf(address)));
    if (families.size === 0) return [];
    return publish.flatMap(({ address, at }) => {
      if (address === undefined || families.has(familyOf(address))) return [];
      const message = `${address} cannot lead to guest ${quote(guest.name)}: no IPv${familyOf(address)} address of it is known`;
      const hint = "give the nic an 'address' of that family";
      return breach("warning", "PUBLISH_FAMILY", { at, message, hint });
    });
  });

function isBridgedOnly(guest: Guest, inventory: Inventory): boolean {
  const attached = guest.nics.filter(({ tap }) => tap !== undefined);
  return attached.length > 0 && attached.every((nic) => isBridged(nic, inventory));
}

function isBridged(nic: Nic, inventory: Inventory): boolean {
  const network = networkOf(nic, inventory);
  return network === undefined ? nic.bridge !== undefined : network.forward === "bridge";
}
