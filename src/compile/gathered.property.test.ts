import fc from "fast-check";
import { expect, test } from "vitest";
import { value } from "../nft/build.ts";
import { gathered } from "./gathered.ts";
import { keyed } from "./matches.ts";

/** A source has an element for each of its letters, which bears its number. */
const source = fc.record({
  letters: fc.stringMatching(/^[a-h]{0,2}$/),
  number: fc.integer({ min: 0, max: 9 }),
});
type Source = { readonly letters: string; readonly number: number };

function elementsOf({ letters, number }: Source) {
  return [...letters].map((letter) => keyed({ key: value(letter), data: value(number) }));
}

/** As one would write it down: the first of each key, in order of the keys. */
function expected(sources: readonly Source[]): string[] {
  const all = sources.flatMap(({ letters, number }) =>
    [...letters].map((letter) => [letter, number] as const),
  );
  const letters = [...new Set(all.map(([letter]) => letter))].toSorted();
  return letters.map((letter) => `${letter} ${all.find(([each]) => each === letter)?.[1]}`);
}

test("whatever was asked before, the elements are those of the sources that are given", () => {
  fc.assert(
    fc.property(
      fc.array(source, { maxLength: 6 }),
      fc.array(fc.array(fc.nat(5), { maxLength: 6 }), { maxLength: 8 }),
      (pool, steps) => {
        const gather = gathered(elementsOf);
        for (const step of steps) {
          const sources = step.flatMap((index) => pool[index] ?? []);
          const texts = gather(sources).map(({ key, data }) =>
            key.kind === "value" && data?.kind === "value" ? `${key.value} ${data.value}` : "",
          );
          expect(texts).toEqual(expected(sources));
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test("what has not changed comes out as the same objects", () => {
  const gather = gathered(elementsOf);
  const [a, b, c] = ["a", "b", "c"].map((letters, number) => ({ letters, number }));
  if (!a || !b || !c) throw new Error("three sources");
  const before = gather([a, c]);
  expect(gather([a, c])).toBe(before);
  const after = gather([a, b, c]);
  expect([after[0], after[2]]).toEqual(before);
  expect(after[0]).toBe(before[0]);
  expect(after[2]).toBe(before[1]);
});
