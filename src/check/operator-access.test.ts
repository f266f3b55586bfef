import { expect, test } from "vitest";
import { parseAddress, type Address } from "../base/address.ts";
import { parseInterfaceName } from "../base/interface-name.ts";
import { parseInventory } from "../parse/inventory.ts";
import { parsePolicy } from "../parse/policy.ts";
import { operatorAccess } from "./operator-access.ts";

const address = (text: string): Address => {
  const parsed = parseAddress(text);
  if (!parsed) throw new Error(text);
  return parsed;
};
const eth0 = parseInterfaceName("eth0");
const { inventory } = parseInventory(
  { networks: [], guests: [], leases: [] },
  eth0 ? [{ name: eth0, addresses: [address("203.0.113.1")], hasDefaultRoute: true }] : [],
);
const connection = { client: address("198.51.100.7"), server: address("203.0.113.1"), port: 22 };

function cuts(policy: string): string[] {
  const { policy: parsed, problems } = parsePolicy([{ file: "policy.yaml", text: policy }]);
  expect(problems).toEqual([]);
  return operatorAccess(parsed, inventory, connection).map(({ message, at }) => {
    return `${at.column} ${message.replace(/ tcp.*/, "")}`;
  });
}

test.each([
  "{}",
  "host: { input: [{ allow: tcp/22 }] }",
  "host: { input: [{ allow: any, from: 198.51.100.0/24 }, { deny: udp }] }",
  "{ host: { input: [{ allow: tcp, from: [a], on: eth0 }] }, aliases: { a: 198.51.100.7 } }",
  "host: { input: [{ allow: tcp/1-22 }, { deny: tcp/22, from: 198.51.100.8 }] }",
  "guests: { web1: { publish: [{ address: 203.0.113.2, ports: tcp/22 }] } }",
])("lets the operator in again: %s", (policy) => {
  expect(cuts(policy)).toEqual([]);
});

test.each([
  ["host: { input: [] }", "9 no rule of host.input allows"],
  ["host: { input: [{ allow: tcp/22, on: eth1 }] }", "9 no rule of host.input allows"],
  ["host: { input: [{ allow: udp/22 }] }", "9 no rule of host.input allows"],
  [
    "host: { input: [{ allow: tcp/22, from: [198.51.100.8, 'group:g'] }] }",
    "9 no rule of host.input allows",
  ],
  ["host: { input: [{ allow: any }, { deny: tcp/20-30, on: eth0 }] }", "33 this rule denies"],
  [
    "guests: { web1: { publish: [{ address: 203.0.113.1, ports: tcp/22 }] } }",
    "60 this publication takes the port",
  ],
])("keeps the operator out: %s", (policy, expected) => {
  expect(cuts(policy)).toEqual([expected]);
});
