import { expect, test } from "vitest";
import { mergeFilters } from "../parse/merge-filters.ts";
import { expandFilter } from "./filter-expansion.ts";

function chainOf(length: number) {
  return mergeFilters({
    ownFilters: Array.from({ length }, (_, i) => {
      const text = `<filter name='f${i}'><filterref filter='f${i + 1}'/></filter>`;
      return { file: `f${i}.xml`, text };
    }),
  }).filters;
}

test("references in references are followed a hundred deep, and no deeper", () => {
  expect(expandFilter(chainOf(100), "f0")).toMatchObject({ isTooLong: false });
  expect(expandFilter(chainOf(101), "f0")).toMatchObject({ isTooLong: true });
  expect(expandFilter(chainOf(12_000), "f0")).toMatchObject({ isTooLong: true });
});
