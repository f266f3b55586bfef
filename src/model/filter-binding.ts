import { familyOf } from "../base/address.ts";
import type { FilterParameters } from "./filter.ts";
import type { Filters } from "./filter-expansion.ts";
import type { Guest, Inventory, Nic } from "./inventory.ts";
import type { Policy } from "./policy.ts";
import type { Place } from "./problem.ts";

/** A filter on one nic. */
export interface FilterBinding {
  readonly filter: string;
  /** What the operator gave, and what is known of the nic: MAC, and IP and IPV6 where policy names its addresses. */
  readonly parameters: FilterParameters;
  /** Where the filter was named. */
  readonly at: Place;
}

const none: Filters = new Map();

export function filtersOf(inventory: Inventory): Filters {
  return inventory.filters ?? none;
}

/** What policy says of the nic itself wins over what it says of its guest. */
export function bindingOf(policy: Policy, guest: Guest, nic: Nic): FilterBinding | undefined {
  const guestPolicy = policy.guests.get(guest.name);
  const nicPolicy = guestPolicy?.nics.get(nic.mac);
  const filter = nicPolicy?.filter ?? guestPolicy?.filter;
  if (filter === undefined) return undefined;
  const addresses = nicPolicy?.addresses ?? [];
  const parameters = new Map<string, readonly string[]>([["MAC", [nic.mac]]]);
  for (const [name, family] of [
    ["IP", 4],
    ["IPV6", 6],
  ] as const) {
    const known = addresses.filter((address) => familyOf(address) === family);
    if (known.length > 0) parameters.set(name, known);
  }
  for (const [name, values] of nicPolicy?.parameters ?? []) parameters.set(name, values);
  return { filter: filter.name, parameters, at: filter.at };
}
