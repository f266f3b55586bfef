import { expect, test } from "vitest";
import { parseAddress } from "../../src/base/address.ts";
import { parseInterfaceName } from "../../src/base/interface-name.ts";
import { check } from "../../src/check/check.ts";
import { parseInventory } from "../../src/parse/inventory.ts";
import { parsePolicy } from "../../src/parse/policy.ts";
import { fencedBlocks, readDocument } from "./documents.ts";

const page = readDocument("docs/recipes.md");
const file = "docs/recipes.md";

const network = (name: string, number: number, forward: string) =>
  `<network><name>${name}</name>${forward}<bridge name='virbr${number}'/><ip address='192.168.${number}.1' prefix='24'/></network>`;
const guest = (name: string, number: number, of: string) =>
  `<domain><name>${name}</name><devices><interface type='network'><mac address='52:54:00:00:00:0${number}'/><source network='${of}'/><target dev='vnet${number}'/></interface></devices></domain>`;

const texts = {
  networks: [
    network("default", 1, "<forward mode='nat'/>"),
    network("front", 2, "<forward mode='nat'/>"),
    network("db", 3, "<forward mode='nat'/>"),
  ],
  guests: [guest("web1", 1, "default"), guest("app1", 2, "front"), guest("db1", 3, "db")],
  leases: [],
  ownFilters: fencedBlocks(page, "xml"),
};

function inventoryOfHost() {
  const name = parseInterfaceName("eth0");
  const address = parseAddress("203.0.113.10");
  if (name === undefined || address === undefined) throw new Error("bad sample");
  const sources = Object.entries(texts).map(([kind, all]) => [
    kind,
    all.map((text, i) => ({ file: `${kind} ${i + 1}`, text })),
  ]);
  return parseInventory(Object.fromEntries(sources) as Parameters<typeof parseInventory>[0], [
    { name, addresses: [address], hasDefaultRoute: true },
  ]);
}

test.each(fencedBlocks(page, "yaml"))("nothing is wrong on a host with %s", (text) => {
  const { policy, problems: written } = parsePolicy([{ file, text }]);
  const { inventory, problems: found } = inventoryOfHost();
  expect([...written, ...found, ...check(policy, inventory)]).toEqual([]);
});
