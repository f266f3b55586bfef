import { nearest } from "../base/nearest.ts";
import { quote } from "../base/quote.ts";
import { remembered } from "../base/remembered.ts";
import { filtersOf } from "../model/filter-binding.ts";
import { filterCycles } from "../model/filter-cycles.ts";
import { breach, didYouMean } from "./law.ts";
import { usedFilters } from "./used-filters.ts";
import type { Filters } from "../model/filter-expansion.ts";
import type { Law } from "./law.ts";

/**
 * What filters refer to is there and does not lead back to them. A dangling reference does no harm until a nic uses it, and libvirt too
 * minds only then; a circle it refuses at once (virNWFilterObjListAssignDef, libvirt 9.0), and only what stands in libvirt's own folder
 * is libvirt's matter.
 */
export const soundReferences: Law = (policy, inventory) => {
  const filters = filtersOf(inventory);
  const cycles = filterCycles(filters);
  const dangling = danglingIn(filters).filter(({ to }) => !inventory.brokenFilters?.has(to));
  if (cycles.length === 0 && dangling.length === 0) return [];
  const used = usedFilters(policy, inventory);
  const isOurs = (name: string) => used.has(name) || filters.get(name)?.origin !== undefined;
  const severityIf = (isError: boolean) => (isError ? "error" : "warning");
  return [
    ...cycles.map(({ path, reference: { at } }) => {
      const message = `filters refer to each other in a circle: ${path.map(quote).join(", ")}`;
      const hint = "take one of these references away";
      return breach(severityIf(path.some(isOurs)), "FILTER_CYCLE", { at, message, hint });
    }),
    ...dangling.map(({ from, to, at }) => {
      const message = `filter ${quote(from)} refers to ${quote(to)}, and there is no such filter`;
      const hint = didYouMean(nearest(to, filters.keys())) ?? "define it";
      return breach(severityIf(used.has(from)), "UNKNOWN_FILTER", { at, message, hint });
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
