import { withoutCommonEnds } from "../base/common-ends.ts";
import type { Element } from "../nft/ast.ts";
import { byText, distinctElements, type KeyedElement } from "./matches.ts";

interface Gathering<Source> {
  readonly sources: readonly Source[];
  /** In order of their text. */
  readonly keyed: readonly KeyedElement[];
  readonly elements: readonly Element[];
  /** No two sources have an element of one key. */
  readonly isDistinct: boolean;
}

/**
 * The elements of all sources, as {@link distinctElements} gives them, where they are asked for again and again with few sources
 * changed: what the last answer has is left as it is, and the next one is made from it. Sources that are the same have the same elements.
 */
export function gathered<Source>(
  elementsOf: (source: Source) => readonly KeyedElement[],
): (sources: readonly Source[]) => readonly Element[] {
  let last = gatherAll([], elementsOf);
  return (sources) => {
    last = regather(last, sources, elementsOf) ?? gatherAll(sources, elementsOf);
    return last.elements;
  };
}

function gatherAll<Source>(
  sources: readonly Source[],
  elementsOf: (source: Source) => readonly KeyedElement[],
): Gathering<Source> {
  const all = sources.flatMap(elementsOf);
  const keyed = distinctElements(all);
  return {
    sources,
    keyed,
    elements: keyed.map(({ element }) => element),
    isDistinct: keyed.length === all.length,
  };
}

/** Undefined where elements of one key meet: which of them counts is seen only from all. */
function regather<Source>(
  last: Gathering<Source>,
  sources: readonly Source[],
  elementsOf: (source: Source) => readonly KeyedElement[],
): Gathering<Source> | undefined {
  if (!last.isDistinct) return undefined;
  const [before, after] = withoutCommonEnds(last.sources, sources);
  const gone = new Set(before.flatMap(elementsOf).map(({ text }) => text));
  const come = after.flatMap(elementsOf).sort(byText);
  if (gone.size === 0 && come.length === 0) return { ...last, sources };
  const kept = gone.size === 0 ? last.keyed : last.keyed.filter(({ text }) => !gone.has(text));
  const keyed = merge(kept, come);
  if (keyed === undefined) return undefined;
  return { sources, keyed, elements: keyed.map(({ element }) => element), isDistinct: true };
}

/** Undefined where two have one key. */
function merge(
  kept: readonly KeyedElement[],
  come: readonly KeyedElement[],
): KeyedElement[] | undefined {
  const merged: KeyedElement[] = [];
  let from = 0;
  for (const each of come) {
    let next = kept[from];
    while (next !== undefined && next.text < each.text) {
      merged.push(next);
      next = kept[++from];
    }
    if (next?.text === each.text || merged.at(-1)?.text === each.text) return undefined;
    merged.push(each);
  }
  for (const rest of kept.slice(from)) merged.push(rest);
  return merged;
}
