import fc from "fast-check";
import { expect, test } from "vitest";
import { editDistance, isOneEdit } from "./nearest.ts";

test("two names are one edit apart exactly if their distance says so", () => {
  const name = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 6 });
  fc.assert(
    fc.property(name, name, (a, b) => {
      expect(isOneEdit(a, b)).toBe(editDistance(a, b) <= 1);
    }),
    { numRuns: 2_000 },
  );
});
