import type { Address } from "../base/address.ts";
import type { Given } from "./given.ts";

/** Policy's uplinks, or else the interfaces that hold a default route. */
export function uplinkNames({ policy, inventory }: Given): ReadonlySet<string> {
  return new Set(
    policy.host.uplinks ??
      inventory.host.interfaces
        .filter((candidate) => candidate.hasDefaultRoute)
        .map((candidate) => candidate.name),
  );
}

export function uplinkAddresses(given: Given): Address[] {
  const names = uplinkNames(given);
  const addresses = given.inventory.host.interfaces
    .filter((candidate) => names.has(candidate.name))
    .flatMap((uplink) => uplink.addresses);
  return [...new Set(addresses)];
}
