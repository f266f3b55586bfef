import { withoutCommonEnds } from "../base/common-ends.ts";
import type { Element } from "../nft/ast.ts";
import { distinctElements, type KeyedElement } from "./matches.ts";

interface Gathering {
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
  const gather = gatheredByKind(["all"], elementsOf);
  return (sources) => gather(sources, "all");
}

/** The same where the same sources have elements of several kinds: what has changed among them is looked for once. */
export function gatheredByKind<Source, Kind>(
  kinds: readonly Kind[],
  elementsOf: (source: Source, kind: Kind) => readonly KeyedElement[],
): (sources: readonly Source[], kind: Kind) => readonly Element[] {
  let before: readonly Source[] = [];
  let last: ReadonlyMap<Kind, Gathering> = new Map();
  return (sources, kind) => {
    // Asked of a host without guests in between: what is known of the others stays.
    if (sources.length === 0) return [];
    if (sources !== before || last.size === 0) {
      const [gone, come] = withoutCommonEnds(before, sources);
      const isFew = gone.length + come.length <= Math.max(few, sources.length / 4);
      const gather = (each: Kind): Gathering => {
        const elements = (of: readonly Source[]) =>
          of.flatMap((source) => elementsOf(source, each));
        const known = isFew ? last.get(each) : undefined;
        return (
          (known && regather(known, elements(gone), elements(come))) ?? gatherAll(elements(sources))
        );
      };
      last = new Map(kinds.map((each) => [each, gather(each)]));
      before = sources;
    }
    return last.get(kind)?.elements ?? [];
  };
}

function gatherAll(all: readonly KeyedElement[]): Gathering {
  const keyed = distinctElements(all);
  return {
    keyed,
    elements: keyed.map(({ element }) => element),
    isDistinct: keyed.length === all.length,
  };
}

/** Undefined where elements of one key meet: which of them counts is seen only from all. */
function regather(
  last: Gathering,
  gone: readonly KeyedElement[],
  come: readonly KeyedElement[],
): Gathering | undefined {
  if (!last.isDistinct) return undefined;
  if (gone.length === 0 && come.length === 0) return last;
  const cut = new Set(gone.map(({ text }) => positionOf(text, last.keyed)));
  const added = distinctElements(come);
  const places = added.map(({ text }) => positionOf(text, last.keyed));
  const meets = added.some(
    ({ text }, index) =>
      last.keyed[places[index] ?? 0]?.text === text && !cut.has(places[index] ?? 0),
  );
  if (meets || added.length < come.length) return undefined;
  const keyed = spliced(last.keyed, cut, { places, added });
  const elements = spliced(last.elements, cut, {
    places,
    added: added.map(({ element }) => element),
  });
  return { keyed, elements, isDistinct: true };
}

/** In one pass: the list without what stands at the positions cut, and with each that is added before what stands at its place. */
function spliced<Item>(
  list: readonly Item[],
  cut: ReadonlySet<number>,
  { places, added }: { readonly places: readonly number[]; readonly added: readonly Item[] },
): Item[] {
  const stops = [...cut].toSorted((a, b) => a - b);
  const parts: Item[][] = [];
  let [begin, nextAdded] = [0, 0];
  for (const stop of [...stops, list.length]) {
    for (; (places[nextAdded] ?? Infinity) <= stop; nextAdded++) {
      const place = places[nextAdded] ?? stop;
      parts.push(list.slice(begin, place), added.slice(nextAdded, nextAdded + 1));
      begin = place;
    }
    parts.push(list.slice(begin, stop));
    begin = stop + 1;
  }
  return ([] as Item[]).concat(...parts);
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
