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

test("what is not of an ICMP type and code is of another type, or of that type and another code", () => {
  const element = "<icmpv6 match='no' type='1' code='3'/>";
  const text = `<filter name='f'><rule action='drop' direction='out'>${element}</rule></filter>`;
  const { filters } = mergeFilters({ ownFilters: [{ file: "f.xml", text }] });
  const rules = expandFilter(filters, "f")?.rules.map(({ rule }) =>
    rule.matches.map(({ attribute, isNegated }) => [attribute, isNegated]),
  );
  expect(rules).toEqual([
    [["type", true]],
    [
      ["type", false],
      ["code", true],
    ],
  ]);
});
