import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { trixieRoot } from "../../../lab/trixie.ts";
import { mergeFilters } from "../../../src/parse/merge-filters.ts";
import { stockFilters } from "../../../src/parse/stock-filters.ts";

test.each([
  ["libvirt 9.0", () => Promise.resolve("/")],
  ["libvirt 11.3", trixieRoot],
])("the filters that %s ships all have their equal in stock", async (_, root) => {
  const folder = join(await root(), "etc/libvirt/nwfilter");
  const names = (await readdir(folder)).filter((name) => name.endsWith(".xml"));
  expect(names.length).toBeGreaterThan(20);
  const texts = names.map(async (file) => ({
    file,
    text: await readFile(join(folder, file), "utf8"),
  }));
  const { filters, problems } = mergeFilters({ filters: await Promise.all(texts) });
  expect(problems).toEqual([]);
  const inStock = [...stockFilters().values()].map(({ name, at }) => [name, at]);
  expect([...filters.values()].map(({ name, at }) => [name, at])).toEqual(inStock);
});
