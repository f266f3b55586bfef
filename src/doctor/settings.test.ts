import { describe, expect, test } from "vitest";
import { bridgeNetfilter } from "./bridge-netfilter.ts";
import { conntrackTable } from "./conntrack-table.ts";
import { forwarding } from "./forwarding.ts";
import { reversePathFilter } from "./reverse-path-filter.ts";
import { routerAdvertisements } from "./router-advertisements.ts";
import type { Facts } from "./facts.ts";
import type { SavedRule } from "../xtables/save.ts";
import { settingName } from "./settings.ts";
import {
  desiredOf,
  device,
  find,
  linkAddress,
  network,
  nicOf,
  savedRule,
  soundHost,
  withSettings,
} from "./sound-host.fake.ts";

const isolated = desiredOf({
  policy: { guests: new Map() },
  inventory: { networks: [network("front", { forward: "isolated" })] },
});

describe("forwarding", () => {
  test("of IPv4 is needed by a network that is routed, and by none else", () => {
    const off = withSettings({ "net/ipv4/ip_forward": "0" });
    expect(find(forwarding, off)).toEqual([
      {
        id: "forwarding",
        severity: "error",
        message: "the host does not forward IPv4 for 'front'",
        evidence: ["net.ipv4.ip_forward = 0"],
        fix: {
          text: "sysctl -w net.ipv4.ip_forward=1",
          steps: [{ kind: "setting", path: "net/ipv4/ip_forward", value: "1" }],
        },
      },
    ]);
    expect(find(forwarding, { ...off, desired: isolated })).toEqual([]);
  });

  test("is asked of each interface too", () => {
    const off = withSettings({ "net/ipv4/conf/br-front/forwarding": "0" });
    expect(find(forwarding, off)).toMatchObject([
      { evidence: ["net.ipv4.conf.br-front.forwarding = 0"] },
    ]);
  });

  test("of IPv6 is switched on after the uplink has been told to go on hearing routers", () => {
    const off = withSettings({
      "net/ipv6/conf/all/forwarding": "0",
      "net/ipv6/conf/eth0/accept_ra": "1",
    });
    const links = [{ name: "eth0", addresses: [linkAddress("2001:db8:1::1/64", true)] }];
    expect(find(forwarding, { ...off, links })[0]?.fix.steps).toEqual([
      { kind: "setting", path: "net/ipv6/conf/eth0/accept_ra", value: "2" },
      { kind: "setting", path: "net/ipv6/conf/all/forwarding", value: "1" },
    ]);
  });
});

describe("router advertisements", () => {
  const ra = { family: 6, devices: ["eth0"], table: "main", metric: 1024, protocol: "ra" } as const;
  const deaf = withSettings({ "net/ipv6/conf/eth0/accept_ra": "1" });

  test("are not heard with forwarding on and accept_ra 1", () => {
    expect(find(routerAdvertisements, { ...deaf, routes: [ra] })).toMatchObject([
      { fix: { text: "sysctl -w net.ipv6.conf.eth0.accept_ra=2" } },
    ]);
  });

  test("are of no matter where the host counts on none, or hears them", () => {
    expect(find(routerAdvertisements, deaf)).toEqual([]);
    const hearing = withSettings({ "net/ipv6/conf/eth0/accept_ra": "2" });
    expect(find(routerAdvertisements, { ...hearing, routes: [ra] })).toEqual([]);
  });
});

describe("reverse path filter", () => {
  const first = { family: 4, devices: ["eth0"], table: "main", metric: 0 } as const;
  const second = { family: 4, devices: ["eth1"], table: "100", metric: 0 } as const;
  const strict = withSettings({ "net/ipv4/conf/eth1/rp_filter": "1" });

  test("that is strict drops what comes in by a second uplink", () => {
    const findings = find(reversePathFilter, { ...strict, routes: [first, second] });
    expect(findings).toMatchObject([{ fix: { text: "sysctl -w net.ipv4.conf.eth1.rp_filter=2" } }]);
    expect(findings[0]?.evidence).toContain("default route by eth1 in table 100");
  });

  test("that is loose for one is loose, and one uplink may be strict", () => {
    const loose = withSettings({
      "net/ipv4/conf/all/rp_filter": "2",
      "net/ipv4/conf/eth1/rp_filter": "1",
    });
    expect(find(reversePathFilter, { ...loose, routes: [first, second] })).toEqual([]);
    expect(find(reversePathFilter, { ...strict, routes: [first] })).toEqual([]);
  });

  test("is in the way of every uplink where routing goes by mark", () => {
    const routingRules = [{ family: 4, text: "fwmark 0x1 lookup 100", mark: 1 }] as const;
    const facts = { ...strict, routes: [first, second], routingRules };
    expect(find(reversePathFilter, facts)).toHaveLength(2);
  });
});

describe("br_netfilter", () => {
  const at = { file: "policy.yaml", line: 1, column: 1 };
  const { network: _, ...nic } = { ...nicOf(1), bridge: device("br0"), at };
  const bridged = desiredOf({
    inventory: { networks: [], guests: [{ name: "g1", uuid: "1", nics: [nic], at }] },
    policy: { guests: new Map() },
  });
  const foreign = [
    {
      family: "inet",
      name: "admin",
      chains: [{ name: "forward", hook: "forward", priority: 0, policy: "drop", rules: [] }],
    },
  ] as const;
  const on = withSettings({ "net/bridge/bridge-nf-call-iptables": "1" });

  test("leads bridged frames into a chain that drops", () => {
    expect(find(bridgeNetfilter, { ...on, foreign, desired: bridged })).toMatchObject([
      {
        evidence: ["net.bridge.bridge-nf-call-iptables = 1", "inet admin forward: policy drop"],
        fix: { text: expect.stringContaining("net.bridge.bridge-nf-call-iptables=0") },
      },
    ]);
    expect(find(bridgeNetfilter, { ...on, foreign })).toEqual([]);
    expect(find(bridgeNetfilter, { ...on, desired: bridged })).toEqual([]);
    expect(find(bridgeNetfilter, soundHost({ foreign, desired: bridged }))).toEqual([]);
  });

  test("is of no matter where iptables lets bridged frames pass", () => {
    const saves = (rules: readonly SavedRule[]): Facts["saves"] => {
      const chains = [{ name: "FORWARD", policy: "DROP", rules }];
      return [{ command: "iptables", unlisted: [], tables: [{ name: "filter", chains }] }];
    };
    const passed = [savedRule("-m physdev --physdev-is-bridged -j ACCEPT")];
    expect(find(bridgeNetfilter, { ...on, desired: bridged, saves: saves([]) })).toMatchObject([
      { evidence: [expect.any(String), "iptables -t filter FORWARD: policy DROP"] },
    ]);
    expect(find(bridgeNetfilter, { ...on, desired: bridged, saves: saves(passed) })).toEqual([]);
  });

  test("is missed where groups are to judge what stays on a bridge", () => {
    const problem = {
      code: "GROUPS_ON_ONE_BRIDGE",
      severity: "warning",
      at,
      message: "m",
    } as const;
    expect(find(bridgeNetfilter, soundHost({ problems: [problem] }))).toMatchObject([
      { severity: "error", evidence: expect.arrayContaining(["GROUPS_ON_ONE_BRIDGE: m"]) },
    ]);
  });
});

describe("the table of connections", () => {
  test("that is full or nearly so is found", () => {
    const nearly = withSettings({ "net/netfilter/nf_conntrack_count": "250000" });
    expect(find(conntrackTable, nearly)).toMatchObject([
      { severity: "warning", fix: { text: expect.stringContaining("nf_conntrack_max=524288") } },
    ]);
    const full = withSettings({ "net/netfilter/nf_conntrack_count": "262144" });
    expect(find(conntrackTable, full)).toMatchObject([{ severity: "error" }]);
  });

  test("with too few buckets is found", () => {
    const slow = withSettings({ "net/netfilter/nf_conntrack_buckets": "8192" });
    expect(find(conntrackTable, slow)).toMatchObject([
      { severity: "warning", fix: { text: "sysctl -w net.netfilter.nf_conntrack_buckets=262144" } },
    ]);
  });

  test("is of no matter where the kernel tracks nothing", () => {
    expect(find(conntrackTable, soundHost({ settings: new Map() }))).toEqual([]);
  });
});

test("a dot in the name of an interface is written as sysctl(8) wants it", () => {
  expect(settingName("net/ipv4/conf/eth0.10/rp_filter")).toBe("net.ipv4.conf.eth0/10.rp_filter");
});
