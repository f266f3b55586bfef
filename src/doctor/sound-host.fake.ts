import { prefixOf } from "../base/address.ts";
import {
  address,
  device,
  guest,
  guestPolicy,
  inventory,
  lease,
  network,
  policy,
  prefix,
  publish,
  uplink,
} from "../compile/sample.fake.ts";
import { readHost } from "../explain/read-host.ts";
import type { Inventory, Nic } from "../model/inventory.ts";
import type { Policy } from "../model/policy.ts";
import type { HostLink, LinkAddress } from "../ports/host-facts.ts";
import { decide, type Desired } from "../reconcile/decide.ts";
import { isSkipped, type Examination, type Finding } from "./examination.ts";
import { examine } from "./examine.ts";
import type { FactName, Facts } from "./facts.ts";

/**
 * A host on which nothing is wrong: eth0 leads to the world; the NAT network `front` on br-front has one guest, g1, whose port 80 is published;
 * Docker, firewalld and ufw are not there; libvirt 11.3 keeps its rules in iptables.
 */
export function soundHost(changes: Partial<Facts> = {}): Facts {
  return {
    settings: new Map([
      ["net/ipv4/ip_forward", "1"],
      ["net/ipv4/ip_local_port_range", "32768\t60999"],
      ["net/ipv4/ip_local_reserved_ports", ""],
      ["net/ipv6/conf/all/forwarding", "1"],
      ["net/ipv6/conf/eth0/accept_ra", "0"],
      ["net/ipv4/conf/all/rp_filter", "0"],
      ["net/ipv4/conf/eth0/rp_filter", "1"],
      ["net/ipv4/conf/br-front/forwarding", "1"],
      ["net/bridge/bridge-nf-call-iptables", "0"],
      ["net/bridge/bridge-nf-call-ip6tables", "0"],
      ["net/netfilter/nf_conntrack_count", "100"],
      ["net/netfilter/nf_conntrack_max", "262144"],
      ["net/netfilter/nf_conntrack_buckets", "262144"],
    ]),
    links: [link("eth0", "198.51.100.1/24"), link("br-front", "10.20.0.1/24", "fd00:20::1/64")],
    routes: [
      { family: 4, devices: ["eth0"], table: "main", metric: 0 },
      { family: 6, devices: ["eth0"], table: "main", metric: 1024, protocol: "static" },
    ],
    routingRules: [],
    neighbours: [],
    listeners: [{ protocol: "tcp", families: [4, 6], port: 22, program: "sshd" }],
    features: new Map([["nat", true]]),
    tables: [
      { family: "inet", name: "virtwall" },
      { family: "bridge", name: "virtwall" },
    ],
    foreign: [],
    xtables: [],
    saves: [libvirtSave],
    firewalld: undefined,
    libvirt: { version: [11, 3, 0], backend: "iptables", networkBackends: [], tables: [] },
    autostart: { guests: [], networks: [] },
    dhcpServers: [],
    hooks: { own: [], others: [] },
    units: { isBooted: true, units: new Map() },
    rulesetFiles: [],
    clock: { now: 0, files: [] },
    ownership: { mode: "owner" },
    ground: groundOf(),
    desired: desiredOf(),
    problems: [],
    drift: [],
    answers: [],
    ...changes,
  };
}

/** The sound host's network, as far as packets from the world ask for it, with our tables and these of others. */
export function groundOf(...others: Facts["ground"]["tables"]): Facts["ground"] {
  const toWorld = { dst: "default", gateway: "198.51.100.254", dev: "eth0" };
  const local = { type: "local", dst: "198.51.100.1", dev: "eth0", table: "local" };
  const rules = [
    { src: "all", table: "local" },
    { src: "all", table: "main" },
  ];
  const guests = { dst: "10.20.0.0/24", dev: "br-front" };
  const host = readHost({
    links: [linkRow("eth0", "198.51.100.1"), linkRow("br-front", "10.20.0.1")],
    routing: { rules: { 4: rules, 6: [] }, routes: { 4: [local, guests, toWorld], 6: [] } },
    neighbours: [],
    forwarding: [],
    settings: new Map([["net/ipv4/conf/eth0/forwarding", "1"]]),
    listeners: [],
    queues: new Set(),
    clock: { seconds: 0, zones: [0] },
    nics: [],
  });
  return { tables: [...desiredOf().compiled.tables, ...others], host };
}

function linkRow(ifname: string, local: string) {
  return { ifname, addr_info: [{ local, prefixlen: 24, scope: "global" }] };
}

/** What libvirt's iptables backend keeps for `front`. */
export const libvirtSave: Facts["saves"][number] = {
  command: "iptables",
  unlisted: [],
  tables: [
    {
      name: "filter",
      chains: [{ name: "LIBVIRT_FWI", rules: [savedRule("-o br-front -j REJECT")] }],
    },
  ],
};

export function savedRule(text: string) {
  return { text, words: text.split(" ") };
}

/** An interface with addresses, as `198.51.100.1/24`. */
export function link(name: string, ...texts: readonly string[]): HostLink {
  return { name, addresses: texts.map((text) => linkAddress(text)) };
}

export function linkAddress(text: string, isAutomatic = false): LinkAddress {
  const [bare = "", length] = text.split("/");
  const own = address(bare);
  return { address: own, prefix: prefixOf(own, Number(length)), isAutomatic };
}

/** With other parts of policy and inventory than the sound host has. */
export function desiredOf(
  changes: { readonly policy?: Partial<Policy>; readonly inventory?: Partial<Inventory> } = {},
): Desired {
  const front = network("front", {
    subnets: [
      { prefix: prefix("10.20.0.0/24"), gateway: address("10.20.0.1") },
      { prefix: prefix("fd00:20::/64"), gateway: address("fd00:20::1") },
    ],
  });
  const { desired } = decide(
    {
      policy: policy({
        guests: new Map([["g1", guestPolicy("g1", { publish: [publish("tcp", [80, 80])] })]]),
        ...changes.policy,
      }),
      policyProblems: [],
      inventory: inventory({
        networks: [front],
        guests: [guest(1, "front")],
        leases: [lease(1, "10.20.0.11", "br-front")],
        host: { interfaces: [uplink], bridges: { filtered: [], isTracked: false } },
        ...changes.inventory,
      }),
      inventoryProblems: [],
      inventoryFiles: new Set(),
    },
    undefined,
  );
  if (desired === undefined) throw new Error("the sample has errors");
  return desired;
}

export function withSettings(settings: Readonly<Record<string, string>>): Facts {
  const sound = soundHost();
  return { ...sound, settings: new Map([...sound.settings, ...Object.entries(settings)]) };
}

/** What one examination finds. */
export function find(examination: Examination, facts: Facts): readonly Finding[] {
  const names = Object.keys(facts) as FactName[];
  const looked = Object.fromEntries(names.map((name) => [name, { seen: facts[name] }]));
  const result = examination.examine(facts);
  if (isSkipped(result)) throw new Error(`skipped: ${result.reason}`);
  return examine([examination], looked).findings;
}

/** The nic of the sample's guest of that number. */
export function nicOf(number: number, networkName = "front"): Nic {
  const [nic] = guest(number, networkName).nics;
  if (nic === undefined) throw new Error("the sample has no nic");
  return nic;
}

export { address, device, guest, guestPolicy, lease, network, prefix, publish };
