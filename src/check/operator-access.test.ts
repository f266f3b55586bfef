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
const networkXml = (name: string, forward: string, subnet: number) =>
  `<network><name>${name}</name>${forward}<bridge name='br${subnet}'/><ip address='10.0.${subnet}.1' prefix='24'/></network>`;
const networks = [
  { file: "nat.xml", text: networkXml("nat", "<forward/>", 1) },
  { file: "lab.xml", text: networkXml("lab", "<forward mode='open'/>", 2) },
];
const { inventory } = parseInventory(
  { networks, guests: [], leases: [] },
  eth0 ? [{ name: eth0, addresses: [address("203.0.113.1")], hasDefaultRoute: true }] : [],
);
const connection = { server: address("203.0.113.1"), port: 22 };

function cuts(policy: string, client = "198.51.100.7"): string[] {
  const { policy: parsed, problems } = parsePolicy([{ file: "policy.yaml", text: policy }]);
  expect(problems).toEqual([]);
  const from = { ...connection, client: address(client) };
  return operatorAccess(parsed, inventory, from).map(({ message, at }) => {
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

test.each([
  ["{}", "10.0.2.9"],
  ["networks: { nat: { mode: open } }", "10.0.1.9"],
  ["networks: { nat: { services: tcp/22 } }", "10.0.1.9"],
  ["{ networks: { nat: { services: tcp } }, host: { input: [{ allow: udp }] } }", "10.0.1.9"],
  ["host: { input: [{ allow: tcp/22, from: 10.0.1.0/24 }] }", "10.0.1.9"],
])("lets the operator in again who sits at a guest: %s from %s", (policy, client) => {
  expect(cuts(policy, client)).toEqual([]);
});

test.each([
  ["{}", "10.0.1.9", "1 guests of network 'nat' do not reach"],
  [
    "networks: { nat: { services: tcp/23 } }",
    "10.0.1.9",
    "13 guests of network 'nat' do not reach",
  ],
  ["networks: { lab: { mode: nat } }", "10.0.2.9", "13 guests of network 'lab' do not reach"],
])("keeps the operator out who sits at a guest: %s from %s", (policy, client, expected) => {
  expect(cuts(policy, client)).toEqual([expected]);
});
