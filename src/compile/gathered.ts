import { withoutCommonEnds } from "../base/common-ends.ts";
import type { Element } from "../nft/ast.ts";
import { distinctElements, type KeyedElement } from "./matches.ts";

interface Gathering<Source> {
  readonly sources: readonly Source[];
  /** In order of their text. */
  readonly keyed: readonly KeyedElement[];
  readonly elements: readonly Element[];
  /** No two sources have an element of one key. */
  readonly isDistinct: boolean;
}

/** So many changes are always few. */
const few = 16;

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

/** Undefined where that would be no quicker, or where elements of one key meet: which of them counts is seen only from all. */
function regather<Source>(
  last: Gathering<Source>,
  sources: readonly Source[],
  elementsOf: (source: Source) => readonly KeyedElement[],
): Gathering<Source> | undefined {
  if (!last.isDistinct) return undefined;
  const [before, after] = withoutCommonEnds(last.sources, sources);
  if (before.length + after.length > Math.max(few, sources.length / 4)) return undefined;
  const gone = before.flatMap(elementsOf);
  const come = after.flatMap(elementsOf);
  if (gone.length === 0 && come.length === 0) return { ...last, sources };
  const keyed = [...last.keyed];
  const elements = [...last.elements];
  for (const { text } of gone) {
    const position = positionOf(text, keyed);
    keyed.splice(position, 1);
    elements.splice(position, 1);
  }
  for (const each of come) {
    const position = positionOf(each.text, keyed);
    if (keyed[position]?.text === each.text) return undefined;
    keyed.splice(position, 0, each);
    elements.splice(position, 0, each.element);
  }
  return { sources, keyed, elements, isDistinct: true };
}

/** Where the text stands or belongs. */
function positionOf(text: string, ordered: readonly KeyedElement[]): number {
  let [low, high] = [0, ordered.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ordered[middle]?.text ?? "") < text) low = middle + 1;
    else high = middle;
  }
  return low;
}
