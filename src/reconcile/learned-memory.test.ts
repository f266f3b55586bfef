import { expect, test } from "vitest";
import type { Element, Table } from "../nft/ast.ts";
import { concat, value } from "../nft/build.ts";
import { LearnedMemory } from "./learned-memory.ts";

const learned = (tap: string, address: string, timeout?: number): Element => ({
  key: concat(value(tap), value(address)),
  ...(timeout !== undefined && { timeout }),
});

const set = (name: string, elements: readonly Element[]) => ({
  name,
  type: ["iface_index", "ipv6_addr"],
  flags: ["dynamic", "timeout"] as const,
  counter: false,
  elements,
});

type Sets = readonly (readonly [name: string, elements: readonly Element[]])[];

/** With a guest on vnet0. */
const tableOf = (mac: number, sets: Sets) => ({
  family: "bridge" as const,
  name: "virtwall",
  sets: [
    set("learning_macs", [{ key: concat(value("vnet0"), value(mac)) }]),
    ...sets.map(([name, all]) => set(name, all)),
  ],
  chains: [],
});
const table = (...sets: Sets) => tableOf(0x52_54_00_00_00_01, sets);

const elementsOf = (tables: readonly Table[], name: string) =>
  tables[0]?.sets.find((each) => each.name === name)?.elements;

const desired = [table(["learned6", []], ["learned6_dhcp", []])];
const listed = table(["learned6", [learned("vnet0", "fd00::1", 100), learned("vnet9", "fd00::9")]]);

test("what was thrown away comes back of guests that there are, for the time that it had left", () => {
  const memory = new LearnedMemory();
  memory.note([listed], 10);
  memory.note([], 20);
  expect(elementsOf(memory.fill(desired, [], 40), "learned6")).toEqual([
    learned("vnet0", "fd00::1", 70),
  ]);
  expect(elementsOf(memory.fill(desired, [], 110), "learned6")).toEqual([]);
});

test("a guest on the same tap gets nothing of the one before", () => {
  const memory = new LearnedMemory();
  memory.note([listed], 10);
  const sets: Sets = [["learned6", []]];
  const next = [tableOf(0x52_54_00_00_00_02, sets)];
  expect(elementsOf(memory.fill(next, [], 11), "learned6")).toEqual([]);
});

test("sets that are there are left to the kernel", () => {
  const memory = new LearnedMemory();
  memory.note([listed], 10);
  expect(memory.fill(desired, [table(["learned6", []])], 11)).toBe(desired);
});

test("what is desired no more does not come back with the same set later", () => {
  const memory = new LearnedMemory();
  memory.note([listed], 10);
  memory.fill([table(["learned6_dhcp", []])], [listed], 11);
  expect(memory.fill(desired, [], 12)).toBe(desired);
});
