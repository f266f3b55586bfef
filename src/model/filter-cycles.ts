import { remembered } from "../base/remembered.ts";
import type { FilterReference } from "./filter.ts";
import type { Filters } from "./filter-expansion.ts";

/** Filters that refer to each other in a circle. */
export interface FilterCycle {
  /** Names from one filter back to the same. */
  readonly path: readonly string[];
  /** The reference that closes the circle. */
  readonly reference: FilterReference;
}

/** Every circle once or more; none exactly if there is none. In order of names, so that the order of files means nothing. */
export const filterCycles = remembered((filters: Filters): readonly FilterCycle[] => {
  const done = new Set<string>();
  const cycles: FilterCycle[] = [];
  for (const name of [...filters.keys()].toSorted()) {
    walk({ filters, done, cycles }, name);
  }
  return cycles;
});

interface Search {
  readonly filters: Filters;
  /** From here no circle is left to find. */
  readonly done: Set<string>;
  readonly cycles: FilterCycle[];
}

/** Depth first without recursion: whoever writes filters decides how deep they refer. */
function walk({ filters, done, cycles }: Search, start: string): void {
  const path = [{ name: start, left: referencesOf(filters, start) }];
  const open = new Set([start]);
  for (let here = path.at(-1); here !== undefined && !done.has(start); here = path.at(-1)) {
    const reference = here.left.shift();
    if (reference === undefined) {
      done.add(here.name);
      open.delete(here.name);
      path.pop();
      continue;
    }
    const name = reference.filter;
    if (open.has(name)) {
      const names = path.map((step) => step.name);
      cycles.push({ path: [...names.slice(names.indexOf(name)), name], reference });
    } else if (filters.has(name) && !done.has(name)) {
      path.push({ name, left: referencesOf(filters, name) });
      open.add(name);
    }
  }
}

function referencesOf(filters: Filters, name: string): FilterReference[] {
  const entries = filters.get(name)?.entries ?? [];
  return entries.filter((entry) => entry.kind === "reference");
}
