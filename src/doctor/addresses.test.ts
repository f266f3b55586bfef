import { describe, expect, test } from "vitest";
import { parseMac, type Mac } from "../base/mac.ts";
import type { Nic } from "../model/inventory.ts";
import { duplicateAddresses } from "./duplicate-addresses.ts";
import { macvtap } from "./macvtap.ts";
import { networkBridges } from "./network-bridges.ts";
import { overlappingPrefixes } from "./overlapping-prefixes.ts";
import { publishedPorts } from "./published-ports.ts";
import { taps } from "./taps.ts";
import {
  address,
  desiredOf,
  device,
  find,
  guest,
  link,
  network,
  nicOf,
  prefix,
  soundHost,
} from "./sound-host.fake.ts";

function mac(text: string): Mac {
  const parsed = parseMac(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

describe("an address that two have", () => {
  test("one of them the host", () => {
    const links = [link("eth0", "10.20.0.11/32")];
    expect(find(duplicateAddresses, soundHost({ links }))).toMatchObject([
      { message: expect.stringContaining("the host itself has 10.20.0.11"), severity: "error" },
    ]);
    expect(find(duplicateAddresses, soundHost())).toEqual([]);
  });

  test("one of them unknown, who answers for a guest's address", () => {
    const entry = { bridge: device("br-front"), address: address("10.20.0.11") };
    const own = { ...entry, mac: nicOf(1).mac };
    const other = { ...entry, mac: mac("52:54:00:99:99:99") };
    expect(find(duplicateAddresses, soundHost({ neighbours: [own] }))).toEqual([]);
    expect(find(duplicateAddresses, soundHost({ neighbours: [other] }))).toMatchObject([
      {
        message: expect.stringContaining("somebody else answers for it"),
        evidence: [
          "ip neigh show dev br-front: 10.20.0.11 has 52:54:00:99:99:99, the nic is 52:54:00:00:00:01",
        ],
      },
    ]);
  });

  test("one of them another machine behind the uplink, that has a published address", () => {
    const neighbours = [
      { bridge: device("eth0"), address: address("198.51.100.1"), mac: mac("02:00:00:00:00:01") },
    ];
    expect(find(duplicateAddresses, soundHost({ neighbours }))).toMatchObject([
      { message: expect.stringContaining("198.51.100.1 is published here") },
    ]);
  });

  test("as the inventory shows it", () => {
    const at = { file: "libvirt:guest/g2.xml", line: 3, column: 1 };
    const told = { severity: "warning", at, message: "twice", hint: "give it another" } as const;
    const problems = [
      { ...told, code: "DUPLICATE_MAC" },
      { ...told, code: "UNKNOWN_KEY" },
    ];
    expect(find(duplicateAddresses, soundHost({ problems }))).toMatchObject([
      { message: "twice", evidence: ["DUPLICATE_MAC at libvirt:guest/g2.xml:3:1"] },
    ]);
  });
});

describe("prefixes that overlap", () => {
  const shared = { prefix: prefix("10.20.0.0/16"), gateway: address("10.20.0.1") };

  test("of two networks", () => {
    const networks = [network("front"), network("back", { subnets: [shared] })];
    const desired = desiredOf({ inventory: { networks }, policy: { guests: new Map() } });
    expect(find(overlappingPrefixes, soundHost({ desired }))).toMatchObject([
      {
        message:
          "the addresses of network 'front', 10.20.0.0/24, are in use behind another interface",
        evidence: ["network 'back': 10.20.0.0/16"],
      },
    ]);
  });

  test("of a network and the uplink, by address or by route", () => {
    const links = [link("eth0", "10.20.0.50/16"), link("br-front", "10.20.0.1/24")];
    expect(find(overlappingPrefixes, soundHost({ links }))).toMatchObject([
      { evidence: ["ip address show eth0: 10.20.0.0/16"] },
    ]);
    const route = {
      family: 4,
      prefix: prefix("10.20.0.0/25"),
      devices: ["wg0"],
      table: "main",
      metric: 0,
    } as const;
    expect(find(overlappingPrefixes, soundHost({ routes: [route] }))).toMatchObject([
      { evidence: ["ip route: 10.20.0.0/25 dev wg0"] },
    ]);
    const wider = { ...route, prefix: prefix("10.0.0.0/8") };
    expect(find(overlappingPrefixes, soundHost({ routes: [wider] }))).toEqual([]);
    expect(find(overlappingPrefixes, soundHost())).toEqual([]);
  });
});

describe("the bridge of a network", () => {
  test("that is not there is found", () => {
    expect(find(networkBridges, soundHost({ links: [] }))).toMatchObject([
      { evidence: ["ip link show br-front: there is none"] },
    ]);
    expect(find(networkBridges, soundHost())).toEqual([]);
  });

  test("that has lost an address gets it back by hand", () => {
    const links = [link("br-front", "fd00:20::1/64")];
    expect(find(networkBridges, soundHost({ links }))).toMatchObject([
      { fix: { text: "ip address add 10.20.0.1/24 dev br-front" } },
    ]);
  });
});

describe("a published port that the host itself serves", () => {
  const nginx = { protocol: "tcp", families: [4, 6], port: 80, program: "nginx" } as const;
  const findWith = (...listeners: ReturnType<typeof soundHost>["listeners"]) =>
    find(publishedPorts, soundHost({ listeners }));

  test("is found, on every address or on a published one", () => {
    expect(findWith(nginx)).toMatchObject([
      {
        severity: "warning",
        evidence: ["nginx at tcp *:80"],
        fix: { text: "let the service use another port, or: virtwall publish remove g1 tcp/80" },
      },
    ]);
    expect(findWith({ ...nginx, address: address("198.51.100.1") })).toHaveLength(1);
  });

  test("is none of another address, port, protocol, or bound to a guests' bridge", () => {
    const others = [
      { ...nginx, address: address("127.0.0.1") },
      { ...nginx, port: 81 },
      { ...nginx, protocol: "udp" as const },
      { ...nginx, device: "br-front" },
    ];
    expect(findWith(...others)).toEqual([]);
  });
});

describe("a tap of a running guest in no bridge", () => {
  const interfaces = [
    { name: device("br-front"), addresses: [], hasDefaultRoute: false, kind: "bridge" },
    { name: device("vnet1"), addresses: [], hasDefaultRoute: false, kind: "tun" },
  ];

  test("is put back", () => {
    const desired = desiredOf({ inventory: { host: { interfaces } } });
    expect(find(taps, soundHost({ desired }))).toMatchObject([
      {
        fix: {
          text: "ip link set vnet1 master br-front",
          steps: [{ kind: "port", tap: "vnet1", bridge: "br-front" }],
        },
      },
    ]);
  });

  test("is left to libvirt where its port is set up by libvirt", () => {
    const nic = { ...nicOf(1), hasPortSettings: true as const };
    const guests = [{ ...guest(1, "front"), nics: [nic] }];
    const desired = desiredOf({ inventory: { host: { interfaces }, guests } });
    const [finding] = find(taps, soundHost({ desired }));
    expect(finding?.fix).toEqual({ text: "systemctl restart libvirtd (or virtqemud)" });
  });
});

describe("macvtap", () => {
  const { tap: _, network: __, ...bare } = nicOf(1);
  const lower = { device: "eth0", mode: "bridge" };
  const findWith = (nics: readonly Nic[], links = soundHost().links) => {
    const desired = desiredOf({ inventory: { guests: [{ ...guest(1, "front"), nics }] } });
    return find(macvtap, soundHost({ desired, links }));
  };

  test("on an interface of which the host has an address keeps guest and host apart", () => {
    expect(findWith([{ ...bare, lower }])).toMatchObject([
      {
        severity: "warning",
        message:
          "the host and guest 'g1' do not hear each other: its nic 52:54:00:00:00:01 is a macvtap on eth0",
        evidence: [
          "<source dev='eth0' mode='bridge'/> at policy.yaml:1",
          "ip address show eth0: 198.51.100.1",
        ],
      },
    ]);
    expect(findWith([{ ...bare, lower: { device: "eth0" } }])).toMatchObject([
      { message: expect.stringContaining("unless the switch sends frames back") },
    ]);
  });

  test("is of no matter beside a nic on a bridge, with the whole interface, or where the host has no address", () => {
    expect(findWith([{ ...bare, lower }, nicOf(1)])).toEqual([]);
    expect(findWith([{ ...bare, lower: { ...lower, mode: "passthrough" } }])).toEqual([]);
    expect(findWith([{ ...bare, lower }], [link("eth0")])).toEqual([]);
  });
});
