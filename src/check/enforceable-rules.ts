import { quote } from "../base/quote.ts";
import { filterWorldOf } from "../model/filter-binding.ts";
import { expandFilter } from "../model/filter-expansion.ts";
import { unenforceable } from "../model/filter-faults.ts";
import { breach } from "./law.ts";
import { usedFilters } from "./used-filters.ts";
import type { Law } from "./law.ts";

/**
 * What the operator's own filters ask can be enforced on this host. Of one that a nic uses that is said with the nic, which passes
 * nothing.
 */
export const enforceableRules: Law = (policy, inventory) => {
  const world = filterWorldOf(policy, inventory);
  const { filters } = world;
  const own = [...filters.values()].filter(({ origin }) => origin !== undefined);
  if (own.length === 0) return [];
  const used = usedFilters(policy, inventory);
  return own
    .filter(({ name }) => !used.has(name))
    .flatMap(({ name }) =>
      (expandFilter(filters, name)?.rules ?? [])
        .filter(({ filter }) => filter === name)
        .flatMap((rule) => unenforceable(rule, world))
        .map(({ at, reason, hint }) => {
          const message = `filter ${quote(name)} has a rule that cannot be enforced here: ${reason}`;
          return breach("warning", "FILTER_NOT_ENFORCEABLE", { at, message, hint });
        }),
    );
};
