import { familyOf, type Address, type Family } from "../base/address.ts";
import { rememberedWhile } from "../base/remembered.ts";
import type { AddressSource, NicAddress } from "./intent.ts";
import type { Guest, Inventory, Nic } from "./inventory.ts";
import { learnedAddresses } from "./learned-addresses.ts";
import type { Policy } from "./policy.ts";
import { vouchedAddresses } from "./vouched-addresses.ts";

/**
 * Addresses of a nic, a family at a time from the best source that knows any: policy's fixed addresses, then libvirt's
 * `<dhcp><host>` reservation, then its lease, then what the guest's agent says, then the neighbour table.
 */
export function addressesOf(
  guest: Guest,
  nic: Nic,
  { policy, inventory }: { readonly policy: Policy; readonly inventory: Inventory },
): readonly NicAddress[] {
  const vouched = vouchedAddresses(guest, nic, { policy, inventory });
  const learned = learnedAddresses(policy, inventory).byNic.get(nic);
  return bestOf(nic, [
    ["policy", vouched.policy],
    ["reservation", vouched.reservation],
    ["lease", vouched.lease],
    ["agent", learned?.agent ?? []],
    ["neighbour", latest(learned?.neighbour ?? [])],
  ]);
}

type Sources = readonly (readonly [AddressSource, readonly Address[]])[];

/** The same object while the sources say the same, since what follows from it is remembered by that. */
const bestOf = rememberedWhile(
  (_nic: Nic, sources: Sources) => sources.map(([, addresses]) => addresses.join()),
  (_nic, sources) => chooseBest(sources),
);

function chooseBest(sources: Sources): NicAddress[] {
  const families: readonly Family[] = [4, 6];
  return families.flatMap((family) => {
    for (const [source, addresses] of sources) {
      const found = addresses.filter((address) => familyOf(address) === family);
      if (found.length > 0) return found.map((address) => ({ address, source }));
    }
    return [];
  });
}

/** The kernel keeps what a guest had before: of IPv4, where a nic has one address, only the entry that was confirmed last counts. */
function latest(neighbours: readonly Address[]): readonly Address[] {
  const first = neighbours.find((address) => familyOf(address) === 4);
  return neighbours.filter((address) => familyOf(address) === 6 || address === first);
}
