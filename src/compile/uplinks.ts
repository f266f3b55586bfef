import type { Address } from "../base/address.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Policy } from "../model/policy.ts";

/** Policy's uplinks, or else the interfaces that hold a default route. */
export function uplinkNames(policy: Policy, inventory: Inventory): ReadonlySet<string> {
  return new Set(
    policy.host.uplinks ??
      inventory.host.interfaces
        .filter((candidate) => candidate.hasDefaultRoute)
        .map((candidate) => candidate.name),
  );
}

export function uplinkAddresses(policy: Policy, inventory: Inventory): Address[] {
  const names = uplinkNames(policy, inventory);
  const addresses = inventory.host.interfaces
    .filter((candidate) => names.has(candidate.name))
    .flatMap((uplink) => uplink.addresses);
  return [...new Set(addresses)];
}
