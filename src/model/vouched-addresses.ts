import type { Address } from "../base/address.ts";
import type { Guest, Inventory, Nic } from "./inventory.ts";
import { leasedAddresses, networkOf, reservedAddresses } from "./inventory-index.ts";
import type { Policy } from "./policy.ts";

/** Addresses of one nic for which somebody else than its guest vouches. */
export interface VouchedAddresses {
  readonly policy: readonly Address[];
  readonly reservation: readonly Address[];
  readonly lease: readonly Address[];
}

/** A network serves whoever stands on its bridge, whether his XML names the network or the bridge. */
export function vouchedAddresses(
  guest: Guest,
  nic: Nic,
  { policy, inventory }: { readonly policy: Policy; readonly inventory: Inventory },
): VouchedAddresses {
  const network = networkOf(nic, inventory);
  return {
    policy: policy.guests.get(guest.name)?.nics.get(nic.mac)?.addresses ?? [],
    reservation: reservedAddresses(network, guest, nic),
    lease: leasedAddresses(inventory, nic.mac, nic.bridge ?? network?.bridge),
  };
}
