import { filtersOf } from "../model/filter-binding.ts";
import { placedGuests } from "../model/placed-guests.ts";
import type { Filters } from "../model/filter-expansion.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Policy } from "../model/policy.ts";

/** Names of the filters that nics are bound to, and of all that these refer to. */
export function usedFilters(policy: Policy, inventory: Inventory): ReadonlySet<string> {
  const bound = placedGuests(policy, inventory).flatMap(({ nics }) =>
    nics.flatMap(({ binding }) => binding?.filter ?? []),
  );
  return reachable(filtersOf(inventory), bound);
}

/** The names and those of all filters that they refer to. */
export function reachable(filters: Filters, names: Iterable<string>): ReadonlySet<string> {
  const found = new Set(names);
  // A set can grow while it is gone through.
  for (const name of found) {
    for (const entry of filters.get(name)?.entries ?? []) {
      if (entry.kind === "reference") found.add(entry.filter);
    }
  }
  return found;
}
