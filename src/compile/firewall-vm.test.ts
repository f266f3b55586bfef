import { expect, test } from "vitest";
import type { Guest, Inventory } from "../model/inventory.ts";
import type { Policy } from "../model/policy.ts";
import { printTable } from "../nft/print.ts";
import { compile } from "./compile.ts";
import {
  address,
  at,
  device,
  guest,
  guestPolicy,
  inventory,
  lease,
  mac,
  network,
  policy,
  publish,
} from "./sample.fake.ts";

const wan = device("br-wan");
const firewall: Guest = {
  name: "fw",
  uuid: "fw",
  nics: [
    { mac: mac("52:54:00:00:01:01"), tap: device("vnet8"), bridge: wan, at },
    { mac: mac("52:54:00:00:01:02"), tap: device("vnet9"), network: "lan", at },
  ],
  at,
};
const [nic] = guest(2, "lan").nics;
const rogue: Guest = {
  ...guest(2, "lan"),
  nics: nic === undefined ? [] : [{ mac: nic.mac, tap: device("vnet2"), bridge: wan, at }],
};
const world = inventory({
  networks: [network("lan")],
  guests: [firewall, guest(1, "lan"), rogue],
  leases: [lease(1, "10.20.0.11", "br-lan"), lease(2, "198.51.100.66", "br-wan")],
  host: {
    interfaces: [
      { name: wan, addresses: [], hasDefaultRoute: false, kind: "bridge" },
      { name: device("docker0"), addresses: [], hasDefaultRoute: false, kind: "bridge" },
      { name: device("tap7"), addresses: [], hasDefaultRoute: false, kind: "tun", master: wan },
    ],
  },
});

function inTopology(changes: Partial<Policy> = {}): Policy {
  const plain = policy();
  const host = {
    ...plain.host,
    topology: "firewall-vm",
    firewallVm: { guests: ["fw"], wan, macs: [] },
    input: [],
  } as const;
  return policy({ host, ...changes });
}

function setOf(name: string, actual: Inventory, wanted = inTopology()): string | undefined {
  const text = compile(wanted, actual).tables.map(printTable).join("");
  const found = new RegExp(`set ${name} \\{[^}]*?elements = \\{([^}]*)\\}`).exec(text)?.[1];
  return found?.replaceAll(/\s+/g, " ").trim();
}

test("networks are apart, whatever libvirt or policy makes of them elsewhere", () => {
  const wanted = inTopology({
    networks: new Map([
      ["lan", { name: "lan", mode: "nat", isolate: false, reach: [], services: [], at }],
    ]),
    guests: new Map([["g1", guestPolicy("g1", { groups: [{ name: "x", at }] })]]),
  });
  const { networks } = compile(wanted, world).intent;
  expect(networks.map(({ name, mode, nat4, reach }) => ({ name, mode, nat4, reach }))).toEqual([
    { name: "lan", mode: "isolated", nat4: undefined, reach: [] },
    { name: "br-wan", mode: "bridge", nat4: undefined, reach: [] },
  ]);
});

test("on the bridge of the WAN the firewall guest alone is vouched for", () => {
  expect(setOf("taps", world)).toBe('"vnet1", "vnet8", "vnet9"');
  expect(setOf("firewall_neighbours", world)).toBe('"vnet1"');
  expect(setOf("firewall_nics", world)).toBe('"br-lan" . 52:54:00:00:01:02');
});

test("with no guest on it, somebody else's tap is not let in either", () => {
  expect(setOf("foreign_taps", { ...world, guests: [] })).toBeUndefined();
  expect(setOf("foreign_taps", { ...world, guests: [] }, policy())).toBe('"tap7"');
});

test("what firewall guests share is theirs alone, inside and for the host", () => {
  const shared = mac("00:00:5e:00:01:0a");
  const plain = inTopology();
  const firewallVm = { guests: ["fw", "g2"], wan, macs: [shared] };
  const wanted = policy({ host: { ...plain.host, firewallVm } });
  expect(setOf("firewall_neighbours", world, wanted)).toBe('"vnet1"');
  expect(setOf("firewall_macs", world, wanted)).toContain(shared);
  expect(setOf("firewall_nics", world, wanted)).toBe(
    `"br-lan" . ${shared}, "br-lan" . 52:54:00:00:01:02`,
  );
});

test("who is on a bridge that no firewall guest is on may be a router there", () => {
  const apart = { ...guest(3, "lab"), name: "router" };
  const networks = [network("lan"), network("lab", { bridge: device("br-lab") })];
  const guests = [...world.guests, apart];
  expect(setOf("taps", { ...world, networks, guests })).toContain('"vnet3"');
  expect(setOf("firewall_neighbours", { ...world, networks, guests })).toBe('"vnet1"');
});

test("its inner addresses are known where somebody else names them, and not by its own word", () => {
  const own = mac("52:54:00:00:01:02");
  const leases = [{ ...lease(1, "10.20.0.2", "br-lan"), mac: own }];
  const neighbours = [{ bridge: device("br-lan"), mac: own, address: address("10.20.0.3") }];
  expect(setOf("firewall_inside4", { ...world, leases })).toBe("10.20.0.2");
  expect(setOf("firewall_inside4", { ...world, leases: [], neighbours })).toBeUndefined();
});

test("every bridge of the host is told from what it would send on", () => {
  expect(setOf("one_bridge", world)).toBe(
    '"br-lan" . "br-lan", "br-wan" . "br-wan", "docker0" . "docker0"',
  );
});

test("a filter or a group does not vouch for another guest on the bridge of the WAN", () => {
  const groups = new Map([["x", { name: "x", ingress: [], egress: [], at }]]);
  const guests = new Map([
    ["g2", guestPolicy("g2", { groups: [{ name: "x", at }], filter: { name: "clean", at } })],
  ]);
  const text = compile(inTopology({ groups, guests }), world).tables.map(printTable).join("");
  expect(text).not.toMatch(/vnet2|198\.51\.100\.66/);
});

test("who forwards alone makes the difference: without the topology not a rule is another", () => {
  const plain = policy({
    guests: new Map([["g1", guestPolicy("g1", { publish: [publish("tcp", [80, 80])] })]]),
  });
  const text = compile(plain, world).tables.map(printTable).join("");
  expect(text).not.toMatch(/one_bridge|firewall_/);
});
