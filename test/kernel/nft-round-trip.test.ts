import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { arbitraryTable, nearbyTable } from "../../src/nft/arbitrary-table.fake.ts";
import { arbitrarySet } from "../../src/nft/arbitrary-set.fake.ts";
import type { Table } from "../../src/nft/ast.ts";
import { diffTables } from "../../src/nft/diff.ts";
import { normalise } from "../../src/nft/normalise.ts";
import { printRuleset, printTable } from "../../src/nft/print.ts";
import { readTables } from "../../src/nft/read.ts";
import { loadInTurn, NftRefusal } from "./nft-host.ts";
import { comparableListing } from "./nft-listing.ts";

const cases = 200;
const batch = 50;
/** Another seed with every run; a failure prints it. */
const seed = Number(process.env["FC_SEED"] ?? Date.now() % 1_000_000_000);

interface Case {
  readonly before: Table;
  readonly after: Table;
}

/** A name of its own for each table, so that a whole batch fits into one kernel. */
const sampled: readonly Case[] = fc
  .sample(fc.tuple(arbitraryTable(), arbitraryTable()), { numRuns: cases, seed })
  .map(([before, other], index) => ({
    before: { ...before, name: `t${index}` },
    after: { ...(index % 2 === 0 ? other : nearbyTable(before, other)), name: `t${index}` },
  }));

const batches = Array.from({ length: cases / batch }, (_, index) =>
  sampled.slice(index * batch, (index + 1) * batch),
);

describe.each(batches)(`seed ${seed}: tables of any kind`, (...group) => {
  const scripts = (some: readonly Case[]) => [
    printRuleset(some.map(({ before }) => before)),
    some.map(({ before, after }) => diffTables([before], [after])).join(""),
  ];
  const listings = load(group, scripts);

  it("are read back from the kernel as they were", () => {
    const read = byAddress(readTables(listings[0]?.json));
    for (const { before } of group) {
      expect(read.get(addressOf(before)), printTable(before)).toEqual(normalise(before));
    }
  });

  it("are printed as nft lists them", () => {
    const printed = printRuleset(group.map(({ before }) => before));
    expect(comparableListing(printed)).toEqual(comparableListing(listings[0]?.text ?? ""));
  });

  it("become any other table by the diff between the two", () => {
    const read = byAddress(readTables(listings[1]?.json));
    for (const { before, after } of group) {
      const script = diffTables([before], [after]);
      const actual = read.get(addressOf(after));
      expect(actual && inOrder(actual), script).toEqual(inOrder(normalise(after)));
    }
  });

  it("differ in nothing once the diff is applied", () => {
    const read = readTables(listings[1]?.json);
    expect(
      diffTables(
        read,
        group.map(({ after }) => after),
      ),
    ).toBe("");
  });
});

it("interval sets of one field are printed as nft lists them, byte for byte", () => {
  const sets = ["admin4", "admin6", "ports"].flatMap((name) =>
    fc
      .sample(arbitrarySet(name), { numRuns: 60, seed })
      .filter((set) => set.flags.includes("interval"))
      .map((set, index) => ({ ...set, name: `${name}_${index}`, counter: false })),
  );
  const text = printTable({ family: "inet", name: "virtwall", sets, chains: [] });
  expect(text).toBe(loadInTurn(text)[0]?.text);
});

/** Loads the batch at once; where nft refuses, finds the case it refuses and shows its scripts. */
function load(group: readonly Case[], scriptsOf: (some: readonly Case[]) => string[]) {
  try {
    return loadInTurn(...scriptsOf(group));
  } catch (error) {
    if (!(error instanceof NftRefusal)) throw error;
    for (const one of group) {
      const scripts = scriptsOf([one]);
      try {
        loadInTurn(...scripts);
      } catch (single) {
        throw new Error(`seed ${seed}\n${scripts.join("\n----\n")}\n${String(single)}`, {
          cause: single,
        });
      }
    }
    throw error;
  }
}

function addressOf({ family, name }: Table): string {
  return `${family} ${name}`;
}

function byAddress(tables: readonly Table[]): ReadonlyMap<string, Table> {
  return new Map(tables.map((table) => [addressOf(table), table]));
}

/** The kernel lists sets and chains in the order in which they were made. */
function inOrder(table: Table): Table {
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
  return { ...table, sets: table.sets.toSorted(byName), chains: table.chains.toSorted(byName) };
}
