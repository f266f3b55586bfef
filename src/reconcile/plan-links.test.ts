import { expect, test } from "vitest";
import { parseInterfaceName, type InterfaceName } from "../base/interface-name.ts";
import { parseMac, type Mac } from "../base/mac.ts";
import type { HostInterface, Inventory, Network, Nic } from "../model/inventory.ts";
import { planHairpin, planLinks } from "./plan-links.ts";

const at = { file: "x.xml", line: 1, column: 1 };
const named = (name: string) => parseInterfaceName(name) as InterfaceName;
const mac = parseMac("52:54:00:00:00:01") as Mac;

function network(name: string, bridge: string): Network {
  const plain = { forward: "nat", subnets: [], nat6: false, reservations: [], at } as const;
  return { ...plain, name, bridge: named(bridge) };
}

function link(name: string, kind: string, master?: string): HostInterface {
  const plain = { name: named(name), addresses: [], hasDefaultRoute: false, kind };
  return master === undefined ? plain : { ...plain, master: named(master) };
}

function plan(nic: Partial<Nic>, changes: Partial<Inventory> & { links?: HostInterface[] } = {}) {
  const nics = [
    { mac, tap: named("vnet0"), network: "default", bridge: named("virbr0"), at, ...nic },
  ];
  return planLinks({
    networks: [network("default", "virbr0")],
    guests: [{ name: "web1", uuid: "", nics, at }],
    leases: [],
    host: { interfaces: changes.links ?? [link("virbr0", "bridge"), link("vnet0", "tun")] },
    ...changes,
  });
}

const nothing = { taps: [], leftAlone: [] };

test("a tap without a master goes back to the bridge of its network", () => {
  expect(plan({})).toEqual({ taps: [{ tap: "vnet0", bridge: "virbr0" }], leftAlone: [] });
});

test("a tap that has a master stays there, whichever it is", () => {
  for (const master of ["virbr0", "br7"]) {
    const links = [link("virbr0", "bridge"), link("vnet0", "tun", master)];
    expect(plan({}, { links })).toEqual(nothing);
  }
});

test("a tap whose XML names another bridge is not touched", () => {
  expect(plan({ bridge: named("virbr9") })).toEqual(nothing);
});

test("nothing is done while the network, its bridge or the tap is not there", () => {
  expect(plan({}, { networks: [] })).toEqual(nothing);
  expect(plan({}, { links: [link("vnet0", "tun")] })).toEqual(nothing);
  expect(plan({}, { links: [link("virbr0", "bridge")] })).toEqual(nothing);
});

test("an interface of that name that is no tap is not touched", () => {
  expect(plan({}, { links: [link("virbr0", "bridge"), link("vnet0", "veth")] })).toEqual(nothing);
});

test("a nic on a bridge that no network of libvirt describes is not touched", () => {
  const { network: _network, ...nic } = { network: "default", bridge: named("virbr0") };
  const guests = [{ name: "web1", uuid: "", nics: [{ mac, tap: named("vnet0"), ...nic, at }], at }];
  expect(plan({}, { guests })).toEqual(nothing);
});

test("a port that libvirt sets up in a way of its own is left to it", () => {
  expect(plan({ hasPortSettings: true })).toEqual({
    taps: [],
    leftAlone: [{ tap: "vnet0", bridge: "virbr0" }],
  });
});

test("a port that is in hairpin mode already, and a tap that is none, is not set to it", () => {
  const [vnet0, vnet1] = [link("vnet0", "tun", "virbr0"), link("vnet1", "tun", "virbr0")];
  const interfaces = [vnet0, { ...vnet1, isHairpin: true }, link("vnet2", "tun")];
  const taps = ["vnet0", "vnet1", "vnet2", "vnet3"].map(named);
  expect(planHairpin(taps, { interfaces })).toEqual(["vnet0"]);
});
