/** A time of day or a date so far from now that no test is still there then, in UTC: `10:30:00` or `2026-11-22 10:30:00`. */
export function timeAway(hours: number): { readonly time: string; readonly date: string } {
  const iso = new Date(Date.now() + (hours + 0.5) * 3_600_000).toISOString();
  return { time: iso.slice(11, 19), date: iso.slice(0, 19).replace("T", " ") };
}

/** Numbers by chance that a seed gives back (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to less than `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  }

  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }

  /** Some of them, at least one, in their order. */
  some<Item>(items: readonly Item[], percent = 40): Item[] {
    const chosen = items.filter(() => this.chance(percent));
    return chosen.length > 0 ? chosen : [this.pick(items)];
  }

  times<Item>(count: number, make: (index: number) => Item): Item[] {
    return Array.from({ length: count }, (_, index) => make(index));
  }
}
