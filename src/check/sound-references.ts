import { nearest } from "../base/nearest.ts";
import { quote } from "../base/quote.ts";
import { remembered } from "../base/remembered.ts";
import { bindingOf, filtersOf } from "../model/filter-binding.ts";
import { filterCycles } from "../model/filter-cycles.ts";
import { breach, didYouMean } from "./law.ts";
import type { Filters } from "../model/filter-expansion.ts";
import type { Law } from "./law.ts";

/**
 * What filters refer to is there and does not lead back to them. A filter that no nic uses does no harm, and libvirt too minds only
 * when one does; a circle it refuses (virNWFilterObjListAssignDef, libvirt 9.0).
 */
export const soundReferences: Law = (policy, inventory) => {
  const filters = filtersOf(inventory);
  const cycles = filterCycles(filters);
  const dangling = danglingIn(filters);
  if (cycles.length === 0 && dangling.length === 0) return [];
  const bound = inventory.guests.flatMap((guest) =>
    guest.nics.flatMap((nic) => bindingOf(policy, guest, nic)?.filter ?? []),
  );
  const used = reachable(filters, bound);
  const severity = (name: string) => (used.has(name) ? "error" : "warning");
  return [
    ...cycles.map(({ path, reference: { at } }) => {
      const message = `filters refer to each other in a circle: ${path.map(quote).join(", ")}`;
      const hint = "take one of these references away";
      return breach(severity(path[0] ?? ""), "FILTER_CYCLE", { at, message, hint });
    }),
    ...dangling.map(({ from, to, at }) => {
      const message = `filter ${quote(from)} refers to ${quote(to)}, and there is no such filter`;
      const hint = didYouMean(nearest(to, filters.keys())) ?? "define it";
      return breach(severity(from), "UNKNOWN_FILTER", { at, message, hint });
    }),
  ];
};

const danglingIn = remembered((filters: Filters) =>
  [...filters.values()].flatMap(({ name, entries }) =>
    entries.flatMap((entry) =>
      entry.kind === "reference" && !filters.has(entry.filter)
        ? [{ from: name, to: entry.filter, at: entry.at }]
        : [],
    ),
  ),
);

/** Names of the filters given and of all that they refer to. */
function reachable(filters: Filters, names: readonly string[]): Set<string> {
  const found = new Set(names);
  // A set can grow while it is gone through.
  for (const name of found) {
    for (const entry of filters.get(name)?.entries ?? []) {
      if (entry.kind === "reference") found.add(entry.filter);
    }
  }
  return found;
}
