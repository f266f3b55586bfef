import { familyOf, toBits, type Address, type Family, type Prefix } from "./address.ts";

/** What prefixes stand for. To find it costs by how many lengths they have, and not by how many there are. */
export class PrefixMap<T> {
  readonly #byLength: Readonly<Record<Family, Map<number, Map<bigint, T[]>>>> = {
    4: new Map(),
    6: new Map(),
  };

  constructor(entries: readonly (readonly [prefix: Prefix, value: T])[]) {
    const byLength = entries.toSorted(([a], [b]) => a.length - b.length);
    for (const [{ family, address, length }, value] of byLength) {
      const same = this.#byLength[family].get(length) ?? new Map<bigint, T[]>();
      this.#byLength[family].set(length, same);
      const key = keyOf(family, toBits(address), length);
      const values = same.get(key);
      if (values === undefined) same.set(key, [value]);
      else values.push(value);
    }
  }

  /** Of all prefixes that hold the address, the widest first. */
  holding(address: Address): readonly T[] {
    const family = familyOf(address);
    const bits = toBits(address);
    return [...this.#byLength[family]].flatMap(
      ([length, values]) => values.get(keyOf(family, bits, length)) ?? [],
    );
  }
}

function keyOf(family: Family, bits: bigint, length: number): bigint {
  return bits >> BigInt((family === 4 ? 32 : 128) - length);
}
