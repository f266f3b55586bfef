import { alternativesOf } from "./filter-alternatives.ts";
import { usualChainPriority } from "./filter-chain.ts";
import { remembered } from "../base/remembered.ts";
import type { Filter, FilterParameters, FilterReference, FilterRule } from "./filter.ts";

/** Every filter there is, by name. */
export type Filters = ReadonlyMap<string, Filter>;

/** A rule, or one of its alternatives, as it stands in the whole of a filter, with that of the filters it refers to. */
export interface ExpandedRule {
  readonly rule: FilterRule;
  /** The filter that the rule is written in. */
  readonly filter: string;
  readonly chain: string;
  readonly chainPriority: number;
  /** What references on the way gave to variables, outer over inner. A binding's own parameters win over it. */
  readonly given: FilterParameters;
}

export interface Expansion {
  /** In the order in which libvirt comes upon them: depth first, references in place. */
  readonly rules: readonly ExpandedRule[];
  /** References to what is not there, or that lead back to where they stand. */
  readonly broken: readonly FilterReference[];
  /** There are more rules than anybody needs, references that double each other or go too deep. The rest is left out. */
  readonly isTooLong: boolean;
}

const longestExpansion = 10_000;
/** References in references; what walks them recurses. */
const deepestReference = 100;

/** Undefined where there is no such filter. */
export function expandFilter(filters: Filters, name: string): Expansion | undefined {
  return expansionsOf(filters)(name);
}

const expansionsOf = remembered((filters: Filters) => {
  const known = new Map<string, Expansion | undefined>();
  return (name: string): Expansion | undefined => {
    if (!known.has(name)) known.set(name, expand(filters, name));
    return known.get(name);
  };
});

function expand(filters: Filters, name: string): Expansion | undefined {
  const filter = filters.get(name);
  if (filter === undefined) return undefined;
  const walk: Walk = { filters, rules: [], broken: [], visits: 0 };
  visit(walk, filter, { given: new Map(), path: [] });
  return { rules: walk.rules, broken: walk.broken, isTooLong: walk.visits > longestExpansion };
}

interface Walk {
  readonly filters: Filters;
  readonly rules: ExpandedRule[];
  readonly broken: FilterReference[];
  visits: number;
}

interface Position {
  readonly given: FilterParameters;
  /** Names of the filters that lead here. */
  readonly path: readonly string[];
}

function visit(walk: Walk, filter: Filter, { given, path }: Position): void {
  const inside = [...path, filter.name];
  if (inside.length > deepestReference) walk.visits = longestExpansion + 1;
  for (const entry of filter.entries) {
    walk.visits += 1;
    if (walk.visits > longestExpansion) return;
    if (entry.kind === "rule") {
      const { name, chain } = filter;
      const chainPriority = priorityOf(filter);
      for (const rule of alternativesOf(entry)) {
        walk.rules.push({ rule, filter: name, chain, chainPriority, given });
      }
      continue;
    }
    const next = walk.filters.get(entry.filter);
    if (next === undefined || inside.includes(entry.filter)) walk.broken.push(entry);
    else visit(walk, next, { given: new Map([...entry.parameters, ...given]), path: inside });
  }
}

function priorityOf({ chain, priority }: Filter): number {
  return priority ?? usualChainPriority(chain);
}
