import { parseInterfaceName } from "../src/base/interface-name.ts";
import { parseAddress } from "../src/base/address.ts";
import { compile } from "../src/compile/compile.ts";
import type { HostInterface } from "../src/model/inventory.ts";
import type { Table } from "../src/nft/ast.ts";
import { printRuleset } from "../src/nft/print.ts";
import { parseInventory } from "../src/parse/inventory.ts";
import { parsePolicy } from "../src/parse/policy.ts";
import type { Desired } from "../src/reconcile/decide.ts";
import {
  bridge,
  type Fleet,
  type FleetPublication,
  hostAddress,
  libvirtTexts,
  policyText,
} from "./fleet.ts";

/** The tables that virtwall makes of a fleet. */
export function compiledTables(
  fleet: Fleet,
  publications: readonly FleetPublication[],
): readonly Table[] {
  return compiledFleet(fleet, publications).compiled.tables;
}

/** The gate has made the tables already: what is missing is what is in them. */
export function emptied(tables: readonly Table[]): Table[] {
  return tables.map((table) => ({ ...table, sets: [], chains: [] }));
}

/** What a fleet comes to. */
export function compiledFleet(fleet: Fleet, publications: readonly FleetPublication[]): Desired {
  const { policy, problems } = parsePolicy([
    { file: "policy.yaml", text: policyText(fleet, publications) },
  ]);
  const parsed = parseInventory(libvirtTexts(fleet), hostInterfaces());
  const wrong = [...problems, ...parsed.problems];
  if (wrong.length > 0) throw new Error(`the bench's own fleet: ${JSON.stringify(wrong[0])}`);
  const { inventory } = parsed;
  return { policy, inventory, compiled: compile(policy, inventory) };
}

export function compiledRuleset(fleet: Fleet, publications: readonly FleetPublication[]): string {
  return printRuleset(compiledTables(fleet, publications));
}

function hostInterfaces(): HostInterface[] {
  const name = parseInterfaceName("eth0");
  const bridgeName = parseInterfaceName(bridge);
  const address = parseAddress(hostAddress);
  if (name === undefined || bridgeName === undefined || address === undefined) return [];
  return [
    { name, addresses: [address], hasDefaultRoute: true },
    { name: bridgeName, addresses: [], hasDefaultRoute: false, kind: "bridge" },
  ];
}
