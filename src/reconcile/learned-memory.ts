import { learningMacs, setsOfLearning } from "../compile/read-learned.ts";
import type { Element, SetDefinition, Table } from "../nft/ast.ts";

/**
 * What the kernel has learned by itself of nics' addresses, for the case that another process throws it away. Times are seconds on
 * one clock.
 */
export class LearnedMemory {
  #sets: ReadonlyMap<string, SetDefinition> = new Map();
  /** Whose it is: a tap's name may be another guest's by the time it comes back. */
  #macs: ReadonlyMap<string, string> = new Map();
  #notedAt = 0;
  #wanted: ReadonlySet<string> = new Set();

  /** The kernel is to learn: there may be something to note. */
  get isWanted(): boolean {
    return this.#wanted.size > 0;
  }

  /** What the kernel holds now; a listing without these sets is one after they were thrown away. */
  note(listed: readonly Table[], now: number): void {
    const sets = setsOfLearning(listed);
    if (sets.length === 0) return;
    this.#sets = new Map(sets.map((set) => [set.name, set]));
    this.#macs = learningMacs(listed);
    this.#notedAt = now;
  }

  forget(): void {
    this.#sets = new Map();
  }

  /** The desired tables, with what is known in those sets that are not there. What is desired no more is forgotten. */
  fill(desired: readonly Table[], actual: readonly Table[], now: number): readonly Table[] {
    this.#wanted = new Set(setsOfLearning(desired).map(({ name }) => name));
    this.#sets = new Map([...this.#sets].filter(([name]) => this.#wanted.has(name)));
    const present = new Set(setsOfLearning(actual).map(({ name }) => name));
    const missing = [...this.#sets.values()].filter(({ name }) => !present.has(name));
    if (missing.length === 0) return desired;
    const elements = new Map(missing.map(({ name, elements: known }) => [name, known]));
    const macs = learningMacs(desired);
    const isSame = (tap: string) => macs.has(tap) && macs.get(tap) === this.#macs.get(tap);
    return desired.map((table) => {
      if (table.family !== "bridge") return table;
      const sets = table.sets.map((set) => {
        const known = elements.get(set.name)?.filter((element) => isSame(tapOf(element)));
        if (known === undefined) return set;
        const left = known.flatMap((element) => later(element, now - this.#notedAt));
        return { ...set, elements: left };
      });
      return { ...table, sets };
    });
  }
}

/** Where nft does not find the tap any more it shows a number, which it does not take for that of another. */
function tapOf({ key }: Element): string {
  const tap = key.kind === "concat" ? key.parts[0] : key;
  return tap?.kind === "value" ? String(tap.value) : "";
}

function later(element: Element, seconds: number): Element[] {
  if (element.timeout === undefined) return [element];
  const timeout = Math.floor(element.timeout - seconds);
  return timeout < 1 ? [] : [{ ...element, timeout }];
}
