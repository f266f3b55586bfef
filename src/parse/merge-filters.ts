import { append } from "../base/append.ts";
import { hash } from "../base/hash.ts";
import { quote } from "../base/quote.ts";
import { remembered } from "../base/remembered.ts";
import { parseFilterXml } from "./filter-xml.ts";
import { printFilterXml } from "./print-filter.ts";
import { stockFilters } from "./stock-filters.ts";
import type { Filter } from "../model/filter.ts";
import type { Place, Problem } from "../model/problem.ts";
import type { LibvirtTexts, SourceText } from "../model/source-text.ts";

const ownIn = remembered((text: SourceText) => parseFilterXml(text, { isCompat: false }));
const libvirtsIn = remembered((text: SourceText) => parseFilterXml(text, { isCompat: true }));

interface MergedFilters {
  readonly filters: ReadonlyMap<string, Filter>;
  /** Definitions through virtwall that have errors, by name: nothing else takes their place. */
  readonly brokenFilters: ReadonlyMap<string, Place>;
  readonly problems: readonly Problem[];
}

/**
 * Every filter by name: one that was defined through virtwall wins over a stock filter, and that over one of libvirt's folder. But
 * who has changed one of libvirt's, under a name that we have in stock too, means what he wrote, and it wins over ours.
 */
export function mergeFilters({
  filters = none,
  ownFilters = none,
}: Pick<LibvirtTexts, "filters" | "ownFilters">): MergedFilters {
  return mergedWith(filters)(ownFilters);
}

const none: readonly SourceText[] = [];

/** Remembered: guests come and go, and filters stay. */
const mergedWith = remembered((filters: readonly SourceText[]) =>
  remembered((ownFilters: readonly SourceText[]) => merge(filters, ownFilters)),
);

function merge(filters: readonly SourceText[], ownFilters: readonly SourceText[]): MergedFilters {
  const problems: Problem[] = [];
  const theirs = filters.map(libvirtsIn);
  // libvirt passes over what it cannot read, and a filter that nobody uses does no harm.
  for (const parsed of theirs) append(problems, parsed.problems.map(asWarning));
  const own = ownFilters.map(ownIn);
  for (const parsed of own) append(problems, parsed.problems);
  const libvirts = distinct(theirs, problems, "warning");
  const merged = new Map([
    ...stockFilters(),
    ...[...libvirts].map(([name, filter]) => [name, stockFor(filter) ?? filter] as const),
    ...[...distinct(own, problems, "error")].map(
      ([name, filter]) => [name, asOwn(filter)] as const,
    ),
  ]);
  const brokenFilters = new Map(own.flatMap(brokenOf));
  for (const name of brokenFilters.keys()) merged.delete(name);
  return { filters: merged, brokenFilters, problems };
}

/** At its first error. */
function brokenOf({ filter, name, problems }: ReturnType<typeof ownIn>): [string, Place][] {
  const error = problems.find(({ severity }) => severity === "error");
  return filter === undefined && error !== undefined ? [[name, error.at]] : [];
}

const asOwn = remembered((filter: Filter): Filter => {
  const stock = stockFilters().get(filter.name);
  const isOther = stock !== undefined && meaningOf(stock) !== meaningOf(filter);
  return { ...filter, origin: isOther ? "in place of stock" : "own" };
});

function asWarning(problem: Problem): Problem {
  return { ...problem, severity: "warning" };
}

/** Of two with one name the first stays. */
function distinct(
  parsed: readonly { readonly filter: Filter | undefined }[],
  problems: Problem[],
  severity: Problem["severity"],
): Map<string, Filter> {
  const known = new Map<string, Filter>();
  for (const { filter } of parsed) {
    if (filter === undefined) continue;
    const first = known.get(filter.name);
    if (first === undefined) {
      known.set(filter.name, filter);
      continue;
    }
    const message = `filter ${quote(filter.name)} is left out: ${first.at.file} holds one of that name`;
    problems.push({ code: "DUPLICATE_FILTER", severity, at: filter.at, message });
  }
  return known;
}

/**
 * Our stock filter of that name, if libvirt ships the filter as it is. It takes over the UUID, by which people may have written it
 * down.
 */
const stockFor = remembered((filter: Filter): Filter | undefined => {
  const stock = stockFilters().get(filter.name);
  if (stock === undefined) return undefined;
  const meaning = meaningOf(filter);
  if (meaning !== meaningOf(stock) && !shipped.has(hash(meaning))) return undefined;
  return filter.uuid === undefined ? stock : { ...stock, uuid: filter.uuid };
});

function meaningOf(filter: Filter): string {
  const { uuid: _, ...bare } = filter;
  const entries = bare.entries.map((entry) => {
    if (entry.kind === "reference") return entry;
    const { comment: _comment, ...rule } = entry;
    return rule;
  });
  return printFilterXml({ ...bare, entries });
}

/** Hashes of the meaning of those of libvirt's that ours differ from. */
const shipped: ReadonlySet<string> = new Set([
  // 9.0 to 11.3: no-ipv6-spoofing, clean-traffic-gateway, qemu-announce-self.
  "3d411de3866b2853",
  "3267015e2face6fb",
  "588b68cff70efd2a",
  // From 12 on, after its list of references: clean-traffic, clean-traffic-gateway, qemu-announce-self-rarp, qemu-announce-self.
  "6f87327b517788fb",
  "fae12a1ea16df8ff",
  "4dab35fb8b255c54",
  "43c2d34c103baf57",
]);
