import { expect, test } from "vitest";
import type { Statement, Table } from "../nft/ast.ts";
import { accept, equal, iifname, jump, meta, oifname, payload, rule, value } from "../nft/build.ts";
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
const input = (...statements: readonly Statement[]) =>
  table("libvirt_network", [forward, { name: "guest_input", rules: [rule(...statements)] }]);

test("tables that hold libvirt's own rules alone go", () => {
  const own = [
    table("libvirt_network", [forward]),
    input(equal(meta("oif"), value("virbr0")), { kind: "counter" }, { kind: "reject" }),
  ];
  expect(planNftRemoval(own).script).toBe(
    "delete table ip libvirt_network\ndelete table ip libvirt_network\n",
  );
});

test("what goes can be put back as it was", () => {
  const own = input(equal(meta("oif"), value("virbr0")), { kind: "counter" }, { kind: "reject" });
  expect(planNftRemoval([own]).undo).toMatch(
    /^table ip libvirt_network \{[^]*chain guest_input \{\s+oif "virbr0" counter reject\s+\}\s+\}\s*$/,
  );
});

test.each([
  [input(equal(payload("tcp", "dport"), value(80)), equal(oifname, value("virbr0")), accept)],
  [input(equal(payload("ip", "daddr"), value("192.168.122.10")), accept)],
  [table("libvirt_network", [{ name: "mine", rules: [] }])],
])("a table with a rule or chain of somebody else's stays", (other) => {
  const { script, left } = planNftRemoval([other, table("filter", [])]);
  expect(script).toBe("");
  expect(left).toHaveLength(1);
});
