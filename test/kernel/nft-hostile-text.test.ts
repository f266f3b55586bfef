import fc from "fast-check";
import { expect, it } from "vitest";
import type { Table } from "../../src/nft/ast.ts";
import * as nft from "../../src/nft/build.ts";
import { printTable } from "../../src/nft/print.ts";
import { readTables } from "../../src/nft/read.ts";
import { UnprintableText } from "../../src/nft/text.ts";
import { loadInTurn } from "./nft-host.ts";

const hostile = fc.oneof(
  fc.string({ maxLength: 130 }),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom(
    '"; accept; comment "',
    'x" accept',
    "x\\",
    "x\n\t\taccept",
    "x\r",
    "x\u0000",
    "vnet*",
    "$x",
    "@admin4",
    "{ a }",
    "a;b",
    "# a",
    "ünï",
  ),
);

/** The places of a rule that a stranger's word can reach. */
const tableWith = (name: string, word: string): Table => ({
  family: "inet",
  name,
  sets: [],
  chains: [
    {
      name: "filter-forward",
      rules: [
        { statements: [{ kind: "log", prefix: word }, nft.drop], comment: word },
        { statements: [nft.equal(nft.iifname, nft.value(word.slice(0, 15))), nft.drop] },
      ],
    },
  ],
});

it("whatever a stranger names, the kernel gets exactly these rules or the printer refuses", () => {
  const tables = fc
    .sample(hostile, { numRuns: 600 })
    .map((word, index) => tableWith(`t${index}`, word))
    .filter(isPrintable);
  expect(tables.length).toBeGreaterThan(10);
  const [listing] = loadInTurn(tables.map(printTable).join(""));
  expect(readTables(listing?.json)).toEqual(tables);
});

function isPrintable(table: Table): boolean {
  try {
    printTable(table);
    return true;
  } catch (error) {
    if (error instanceof UnprintableText) return false;
    throw error;
  }
}
