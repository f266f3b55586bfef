import { expect, test } from "vitest";
import type { Statement, Table } from "../nft/ast.ts";
import {
  accept,
  equal,
  iifname,
  jump,
  l4proto,
  meta,
  notEqual,
  oifname,
  payload,
  prefix,
  range,
  rule,
  value,
} from "../nft/build.ts";
import { printRule } from "../nft/print-statement.ts";
import { parseNetworkXml } from "../parse/network-xml.ts";
import { imagineBackend, unruled, type Backend } from "./libvirt-backend.ts";
import { planNftRemoval } from "./libvirt-tables.ts";

const networks = [
  "<name>default</name><forward mode='nat'/><bridge name='virbr0'/><ip address='192.168.122.1' netmask='255.255.255.0'/>",
  "<name>iso</name><bridge name='virbr7'/><ip address='10.7.0.1' netmask='255.255.255.0'/>",
  "<name>rt</name><forward mode='route'/><bridge name='virbr8'/><ip address='10.8.0.1' netmask='255.255.255.0'/><ip family='ipv6' address='fd00:8::1' prefix='64'/>",
  "<name>free</name><forward mode='open'/><bridge name='virbr9'/><ip address='10.9.0.1' netmask='255.255.255.0'/>",
].flatMap((xml) => parseNetworkXml({ file: "n", text: `<network>${xml}</network>` }).network ?? []);

/** Listed by nft 1.1.3 under libvirt 11.3, less counters. */
const written = `ip saddr 10.8.0.0/24 iif "virbr8" accept
iif "virbr8" reject
iif "virbr7" reject
ip saddr 192.168.122.0/24 iif "virbr0" accept
iif "virbr0" reject
ip daddr 10.8.0.0/24 oif "virbr8" accept
oif "virbr8" reject
oif "virbr7" reject
oif "virbr0" ip daddr 192.168.122.0/24 ct state established,related accept
oif "virbr0" reject
iif "virbr8" oif "virbr8" accept
iif "virbr7" oif "virbr7" accept
iif "virbr0" oif "virbr0" accept
ip6 saddr fd00:8::/64 iif "virbr8" accept
iif "virbr8" reject
ip6 daddr fd00:8::/64 oif "virbr8" accept
oif "virbr8" reject
iif "virbr8" oif "virbr8" accept`;

const chainsOf = (tables: readonly Table[]) =>
  tables.flatMap(({ family, name, chains }) =>
    chains.map((chain) => ({ ...chain, at: `${family} ${name} ${chain.name}` })),
  );

/** Whatever the order of rules and of matches in them. */
const words = (text: string) =>
  text
    .replaceAll(/\b([io]if)name\b/g, "$1")
    .split("\n")
    .map((line) => line.split(" ").toSorted().join(" "))
    .toSorted();

test("libvirt's nftables rules are imagined as libvirt writes them", () => {
  const chains = chainsOf(imagineBackend([], { backend: "nftables", networks }));
  const rules = chains.filter(({ base }) => base === undefined).flatMap((chain) => chain.rules);
  expect(words(rules.map(printRule).join("\n"))).toEqual(words(written));
  expect(chains.filter(({ base }) => base !== undefined).map(({ at }) => at)).toEqual([
    "ip libvirt_network forward",
    "ip6 libvirt_network forward",
  ]);
});

test("the pass rule stands ahead of libvirt's jumps, where the daemon puts one", () => {
  const first = (mark: { mark?: number }, backend: Backend, at: string) => {
    const found = chainsOf(imagineBackend([], { backend, networks, ...mark }));
    return found.find((chain) => chain.at === at)?.rules[0]?.comment;
  };
  const mark = { mark: 0x10000000 };
  expect(first(mark, "nftables", "ip libvirt_network forward")).toBe("virtwall");
  expect(first(mark, "iptables", "ip filter FORWARD")).toBe("virtwall");
  expect(first({}, "iptables", "ip filter FORWARD")).toBeUndefined();
});

const table = (name: string, chains: Table["chains"]): Table => ({
  family: "ip",
  name,
  sets: [],
  chains,
});

test("of the other backend nothing is left but what rewrites sources, and nothing of others is lost", () => {
  const mine = rule(equal(iifname, value("eth0")), accept);
  const before = [
    table("filter", [
      {
        name: "FORWARD",
        base: { type: "filter", hook: "forward", priority: 0, policy: "drop" },
        rules: [rule(jump("LIBVIRT_FWI")), mine],
      },
      { name: "LIBVIRT_FWI", rules: [rule(equal(oifname, value("virbr0")), { kind: "reject" })] },
    ]),
  ];
  const after = imagineBackend(before, { backend: "nftables", networks });
  expect(after.find(({ name }) => name === "filter")?.chains).toEqual([
    { ...before[0]?.chains[0], rules: [mine] },
  ]);
  const back = imagineBackend(after, { backend: "iptables", networks });
  expect(back.find(({ name }) => name === "libvirt_network")?.chains).toEqual([]);
  const forward = chainsOf(back).find(({ at }) => at === "ip filter FORWARD");
  expect(forward?.base?.policy).toBe("drop");
  expect(forward?.rules.map(printRule)).toEqual([
    "jump LIBVIRT_FWX",
    "jump LIBVIRT_FWI",
    "jump LIBVIRT_FWO",
    'iifname "eth0" accept',
  ]);
});

test("a network of which libvirt's rules do not speak is named, an open one needs none", () => {
  expect(unruled([], "nftables", networks)).toEqual(["default", "iso", "rt"]);
  for (const backend of ["nftables", "iptables"] as const) {
    const tables = imagineBackend([], { backend, networks: networks.slice(1) });
    expect(unruled(tables, backend, networks)).toEqual(["default"]);
  }
});

const forward = {
  name: "forward",
  base: { type: "filter", hook: "forward", priority: 0, policy: "accept" } as const,
  rules: [rule(jump("guest_input"))],
};
const bridge = value("virbr0");
const cross = {
  name: "guest_cross",
  rules: [rule(equal(meta("iif"), bridge), equal(meta("oif"), bridge), accept)],
};
const libvirtTable = (chain: string, ...statements: readonly Statement[]) =>
  table("libvirt_network", [forward, cross, { name: chain, rules: [rule(...statements)] }]);
const rejecting = libvirtTable(
  "guest_input",
  equal(meta("oif"), bridge),
  { kind: "counter" },
  { kind: "reject" },
);
const subnet = prefix("192.168.122.0", 24);

test.each([...imagineBackend([], { backend: "nftables", networks })])(
  "tables that hold libvirt's own rules alone go: $family",
  (own) => {
    expect(planNftRemoval([own]).script).toBe(`delete table ${own.family} libvirt_network\n`);
  },
);

test("as do those without networks, and with rewritten sources", () => {
  const own = [
    table("libvirt_network", [forward]),
    rejecting,
    libvirtTable(
      "guest_nat",
      equal(l4proto, value("tcp")),
      equal(payload("ip", "saddr"), subnet),
      notEqual(payload("ip", "daddr"), subnet),
      { kind: "masquerade", port: range(1024, 65535) },
    ),
  ];
  expect(planNftRemoval(own).left).toEqual([]);
});

test("what goes can be put back as it was", () => {
  expect(planNftRemoval([rejecting]).undo).toMatch(
    /^table ip libvirt_network \{[^]*chain guest_input \{\s+oif "virbr0" counter reject\s+\}\s+\}\s*$/,
  );
});

test.each<[string, ...Statement[]]>([
  ["guest_input", equal(payload("tcp", "dport"), value(80)), equal(oifname, bridge), accept],
  ["guest_input", equal(payload("ip", "daddr"), value("192.168.122.10")), accept],
  ["guest_input", equal(payload("ip", "saddr"), value("10.0.0.5")), accept],
  ["guest_input", equal(payload("ip", "saddr"), prefix("10.0.0.0", 8)), accept],
  ["guest_input", equal(oifname, bridge), equal(payload("ip", "daddr"), value("10.0.0.5")), accept],
  ["guest_input", equal(oifname, value("eth0")), { kind: "reject" }],
  ["guest_input", equal(oifname, bridge), accept],
  ["guest_output", equal(iifname, value("eth0")), equal(payload("ip", "saddr"), subnet), accept],
  ["guest_cross2", equal(iifname, bridge), equal(oifname, bridge), accept],
  ["guest_nat", equal(payload("ip", "saddr"), value("10.0.0.5")), { kind: "masquerade" }],
])("a table with a rule or chain of somebody else's stays: %s", (chain, ...statements) => {
  const { script, left } = planNftRemoval([
    libvirtTable(chain, ...statements),
    table("filter", []),
  ]);
  expect(script).toBe("");
  expect(left).toHaveLength(1);
});

test("so does one whose guests somebody lets from one bridge to another", () => {
  const other = rule(equal(iifname, bridge), equal(oifname, value("eth0")), accept);
  const own = table("libvirt_network", [{ ...cross, rules: [...cross.rules, other] }]);
  expect(planNftRemoval([own]).left).toHaveLength(1);
});
