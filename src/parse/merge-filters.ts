import { append } from "../base/append.ts";
import { quote } from "../base/quote.ts";
import { remembered } from "../base/remembered.ts";
import { parseFilterXml } from "./filter-xml.ts";
import type { Filter } from "../model/filter.ts";
import type { Problem } from "../model/problem.ts";
import type { LibvirtTexts, SourceText } from "../model/source-text.ts";

const ownIn = remembered((text: SourceText) => parseFilterXml(text, { isCompat: false }));
const libvirtsIn = remembered((text: SourceText) => parseFilterXml(text, { isCompat: true }));

/** Every filter by name. One that was defined through virtwall wins over one of libvirt's. */
export function mergeFilters({
  filters = [],
  ownFilters = [],
}: Pick<LibvirtTexts, "filters" | "ownFilters">): {
  filters: ReadonlyMap<string, Filter>;
  problems: Problem[];
} {
  const problems: Problem[] = [];
  const theirs = filters.map(libvirtsIn);
  // libvirt passes over what it cannot read, and a filter that nobody uses does no harm.
  for (const parsed of theirs) append(problems, parsed.problems.map(asWarning));
  const own = ownFilters.map(ownIn);
  for (const parsed of own) append(problems, parsed.problems);
  return {
    filters: new Map([
      ...distinct(theirs, problems, "warning"),
      ...distinct(own, problems, "error"),
    ]),
    problems,
  };
}

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
