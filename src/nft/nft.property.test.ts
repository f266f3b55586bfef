import fc from "fast-check";
import { expect, it } from "vitest";
import { arbitraryTable, nearbyTable } from "./arbitrary-table.fake.ts";
import type { Table } from "./ast.ts";
import { diffTables } from "./diff.ts";
import { normalise } from "./normalise.ts";
import { printTable } from "./print.ts";
import {
  printComment,
  printLogPrefix,
  printName,
  printValue,
  printWord,
  UnprintableText,
} from "./text.ts";

it("a table differs in nothing from itself, in normal form or not", () => {
  fc.assert(
    fc.property(arbitraryTable(), (table) => {
      expect(diffTables([table], [table])).toBe("");
      expect(diffTables([normalise(table)], [reversed(table)])).toBe("");
    }),
  );
});

it("the normal form of a normal form is itself", () => {
  fc.assert(
    fc.property(arbitraryTable(), (table) => {
      expect(normalise(normalise(table))).toEqual(normalise(table));
    }),
  );
});

it("the order in which elements are given decides about no byte", () => {
  fc.assert(
    fc.property(arbitraryTable(), (table) => {
      const sets = table.sets.map((set) => ({ ...set, elements: set.elements.toReversed() }));
      expect(printTable({ ...table, sets })).toBe(printTable(table));
    }),
  );
});

it("no diff names a table that exists in a way that a table with an owner refuses", () => {
  fc.assert(
    fc.property(arbitraryTable(), arbitraryTable(), (before, other) => {
      const script = diffTables(
        [before],
        [nearbyTable(before, { ...other, family: before.family })],
      );
      expect(script).not.toMatch(/^(add )?table /m);
    }),
  );
});

it("no text leaves its quotes or its word, whatever it holds", () => {
  const hostile = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string(),
    fc.constantFrom('"', "\\", "\n", "x;y", "a b{", "*"),
  );
  const printers: readonly ((text: string) => string)[] = [
    printComment,
    printLogPrefix,
    printName,
    printWord,
    (text) => printValue(text, "ifname"),
    (text) => printValue(text, "ifname*"),
    (text) => printValue(text, "ipv4_addr"),
    (text) => printValue(text, "inet_service"),
  ];
  fc.assert(
    fc.property(hostile, fc.constantFrom(...printers), (text, print) => {
      expect(attempt(() => print(text))).toMatch(
        /^("[\x20!#-[\]-~]*"|[A-Za-z0-9_][A-Za-z0-9_ ./:-]*|)$/,
      );
    }),
    { numRuns: 2000 },
  );
});

function attempt(print: () => string): string {
  try {
    return print();
  } catch (error) {
    if (error instanceof UnprintableText) return "";
    throw error;
  }
}

function reversed(table: Table): Table {
  return { ...table, sets: table.sets.toReversed(), chains: table.chains.toReversed() };
}
