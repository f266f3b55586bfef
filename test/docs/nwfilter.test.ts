import { expect, test } from "vitest";
import { filterProtocols } from "../../src/model/filter-protocols.ts";
import { stockFilters } from "../../src/parse/stock-filters.ts";
import { fencedBlocks, firstColumnWords, readDocument } from "./documents.ts";
import { mergeFilters } from "../../src/parse/merge-filters.ts";

const page = readDocument("docs/nwfilter.md");

function section(title: string): string {
  return page.split(/^## /m).find((text) => text.startsWith(title)) ?? "";
}

const words = (cell: string) => [...cell.matchAll(/`([^`]+)`|_([a-z]+)_/g)];

/** Cells of the second column by the words of the first. */
function rows(text: string): [string, string][] {
  return [...text.matchAll(/^\| ([`_][^|]*) \| ([^|]*) \|$/gm)].flatMap(
    ([, first = "", second = ""]) =>
      words(first).map(([, code, word]): [string, string] => [code ?? word ?? "", second]),
  );
}

test("the page names every element, and the attributes of each", () => {
  const cells = new Map(rows(section("The language")));
  const spelt = (cell: string): string[] =>
    words(cell).flatMap(([, code, word]) =>
      code === undefined ? spelt(cells.get(word ?? "") ?? "") : code,
    );
  for (const [name, { attributes }] of filterProtocols) {
    expect([name, spelt(cells.get(name) ?? "").toSorted()]).toEqual([
      name,
      [...attributes.keys()].toSorted(),
    ]);
  }
});

test("the page lists the filters in stock", () => {
  const listed = firstColumnWords(section("Filters in stock"));
  expect(listed.toSorted()).toEqual([...stockFilters().keys()].toSorted());
});

test.each(["docs/nwfilter.md", "docs/recipes.md"])(
  "filters that %s shows have no problem",
  (file) => {
    const shown = fencedBlocks(readDocument(file), "xml").map((text, i) => ({
      file: `${file}, ${i + 1}`,
      text,
    }));
    expect(shown.length).toBeGreaterThan(0);
    expect(mergeFilters({ ownFilters: shown }).problems).toEqual([]);
  },
);
