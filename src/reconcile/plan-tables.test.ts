import { expect, test } from "vitest";
import { compile } from "../compile/compile.ts";
import type { Table } from "../nft/ast.ts";
import { diffTables } from "../nft/diff.ts";
import { parseInventory } from "../parse/inventory.ts";
import { parsePolicy } from "../parse/policy.ts";
import { isOwnTable, planTables } from "./plan-tables.ts";

const guest = (number: number) => ({
  file: `g${number}.xml`,
  text:
    `<domain><name>g${number}</name><uuid>0d0c7c3e-0000-4000-8000-00000000000${number}</uuid><devices>` +
    `<interface type='bridge'><mac address='52:54:00:00:00:0${number}'/><source bridge='virbr0'/>` +
    `<target dev='vnet${number}'/></interface></devices></domain>`,
});
const network = {
  file: "default.xml",
  text:
    "<network><name>default</name><forward mode='open'/><bridge name='virbr0'/>" +
    "<ip address='192.168.122.1' netmask='255.255.255.0'/></network>",
};

function tablesOf(guests: readonly number[], ports: readonly string[]): readonly Table[] {
  const leases = guests.map((number) => ({
    "ip-address": `192.168.122.${number + 10}`,
    "mac-address": `52:54:00:00:00:0${number}`,
    "expiry-time": 4102444800,
  }));
  const { inventory } = parseInventory(
    {
      networks: [network],
      guests: guests.map(guest),
      leases: [{ file: "virbr0.status", text: JSON.stringify(leases) }],
    },
    [],
  );
  const publish = JSON.stringify([{ address: "203.0.113.1", ports }]);
  const text = `networks: { default: { mode: nat } }\nguests: { g1: { publish: ${publish} } }\n`;
  return compile(parsePolicy([{ file: "policy.yaml", text }]).policy, inventory).tables;
}

const few = tablesOf([1, 2], ["tcp/80", "udp/5000-5010"]);
const more = tablesOf([1, 2, 3], ["tcp/80", "tcp/443", "udp/5000-5010"]);
const other = tablesOf([2], ["tcp/8080:80"]);

test.each([
  ["nothing to few", [], few],
  ["few to more", few, more],
  ["more to few", more, few],
  ["more to other", more, other],
  ["all to nothing", more, []],
])("%s: the plan is the whole difference", (_name, actual, desired) => {
  expect(planTables(actual, desired).script).toBe(diffTables(actual, desired));
});

test("equal tables need nothing, in any order of their elements", () => {
  expect(planTables(more, more)).toEqual({ script: "", changes: [] });
  const turned = more.map((table) => ({
    ...table,
    sets: table.sets.map((set) => ({ ...set, elements: set.elements.toReversed() })),
  }));
  expect(planTables(turned, more).script).toBe("");
});

test("a table that a gate has made and nothing has filled is told as a new one", () => {
  const empty = few.map(({ family, name }) => ({ family, name, sets: [], chains: [] }));
  expect(planTables(empty, few).changes).toEqual([
    "+ table bridge virtwall",
    "+ table inet virtwall",
  ]);
});

test("only inet and bridge virtwall are ours", () => {
  expect(isOwnTable({ family: "inet", name: "virtwall" })).toBe(true);
  expect(isOwnTable({ family: "ip", name: "virtwall" })).toBe(false);
  expect(isOwnTable({ family: "inet", name: "filter" })).toBe(false);
});
