/** Chance that can be repeated: the same seed throws the same dice. */
export interface Dice {
  /** 0 to `below` - 1. */
  number(below: number): number;
  pick<Item>(items: readonly Item[]): Item;
  /** True once in so many times. */
  oneIn(times: number): boolean;
  /** Up to so many of them, in their order. */
  some<Item>(items: readonly Item[], most: number): Item[];
}

/** mulberry32. */
export function makeDice(seed: number): Dice {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  const number = (below: number): number => Math.floor(next() * below);
  return {
    number,
    pick: (items) => {
      const item = items[number(items.length)];
      if (item === undefined) throw new Error("nothing to pick from");
      return item;
    },
    oneIn: (times) => number(times) === 0,
    some: (items, most) => {
      const chosen = new Set(Array.from({ length: number(most + 1) }, () => number(items.length)));
      return items.filter((_, i) => chosen.has(i));
    },
  };
}
