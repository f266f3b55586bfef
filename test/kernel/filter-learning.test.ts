import { afterAll, beforeAll, expect, test } from "vitest";
import type { Table } from "../../src/nft/ast.ts";
import { readTables } from "../../src/nft/read.ts";
import { isOwnTable, planTables } from "../../src/reconcile/plan-tables.ts";
import { caseFolder } from "../world/case-folders.ts";
import { tablesOfCase } from "../world/compile-case.ts";
import { loadRuleset, readHostFirewall } from "../world/host-firewall.ts";
import { readWorldSpec } from "../world/inventory-world.ts";
import { createWorld, type World } from "../world/world.ts";

const { folder, inventory } = caseFolder("filters-learning");
const own = "10.20.0.11";
const other = "10.20.0.99";

const patience = { timeout: 30_000, interval: 200 };

let world: World;

const mac = "52:54:00:20:00:11";

beforeAll(async () => {
  world = await createWorld(await readWorldSpec(inventory));
  await world.agent("web2").listen("udp", 9000);
  await world.inside("web1", ["ip", "addr", "add", `${other}/32`, "dev", "lo"]);
  // A port of the bridge that is no guest's, as an uplink is in a bridged network.
  const links = `link add lan0 type veth peer name lan1
    link set lan0 master virbr20 up
    addr add 10.20.0.250/24 dev lan1 noprefixroute
    link set lan1 up`;
  for (const line of links.split("\n")) await world.onHost(["ip", ...line.trim().split(" ")]);
});
afterAll(() => world?.close());

const policyWith = (parameters: string, filter = "clean-traffic") => `
networks: { front: { mode: nat }, dmz: { mode: route } }
guests:
  web1: { filter: ${filter}, nics: { "${mac}": { parameters: ${parameters} } } }
  app1: { filter: clean-traffic }
`;

async function load(parameters: string, filter?: string): Promise<readonly Table[]> {
  await world.onHost(["nft", "flush", "ruleset"]);
  const tables = await tablesOfCase(folder, policyWith(parameters, filter));
  await loadRuleset(world, await readHostFirewall(folder), tables);
  return tables;
}

async function ownTables(): Promise<Table[]> {
  const listing = await world.onHost(["nft", "-j", "list", "ruleset"]);
  return readTables(JSON.parse(listing)).filter(isOwnTable);
}

/** As the daemon does it: what stays is left as it is. */
async function change(parameters: string): Promise<void> {
  const tables = await tablesOfCase(folder, policyWith(parameters));
  const { script } = planTables(await ownTables(), tables);
  await world.onHost(["nft", "-f", "-"], script);
}

/** Whether web2 hears a datagram of web1 that bears the address. */
async function isHeard(source: string): Promise<boolean> {
  await world.agent("web2").heard(9000);
  const host = source.includes(":") ? "fd00:20::12" : "10.20.0.12";
  const datagram = { host, port: 9000, source, timeoutMs: 150 };
  await world.agent("web1").attempt("udp", datagram);
  return (await world.agent("web2").heard(9000)).includes(source);
}

interface Reply {
  /** 5 is ACK, 2 OFFER. */
  readonly type?: number;
  readonly address: string;
  readonly to?: string;
  /** Of the lease: options then stand as dnsmasq sets them. */
  readonly seconds?: number;
  /** By which port of the bridge it comes: `lan` by one that is no guest's. */
  readonly by?: "lan" | "host" | "web1" | "web2";
}

/** A reply of a DHCP server to all, in the shape of RFC 2131. */
async function reply({ type = 5, address, to = mac, seconds, by = "lan" }: Reply): Promise<void> {
  const script = `
    use Socket; use IO::Socket::INET;
    my ($type, $address, $mac, $seconds, $device) = @ARGV;
    my $lease = $seconds eq "" ? "" : pack("C2 N C2 N", 54, 4, 0x0a140001, 51, 4, $seconds);
    my $packet = pack("C4 N n2 N a4 N2 H12 x10 x64 x128 N C3 a* C", 2, 1, 6, 0, 7, 0, 0, 0,
      pack("C4", split(/[.]/, $address)), 0, 0, $mac, 0x63825363, 53, 1, $type, $lease, 255);
    my $socket = IO::Socket::INET->new(Proto => "udp", LocalPort => 67, Broadcast => 1, ReuseAddr => 1);
    setsockopt($socket, 1, 25, $device) or die if $device ne "";
    send($socket, $packet, 0, pack_sockaddr_in(68, inet_aton("255.255.255.255"))) or die;
  `;
  const device = { host: "virbr20", lan: "lan1", web1: "", web2: "" }[by];
  const words = [type, address, to.replaceAll(":", ""), seconds ?? "", device].map(String);
  const program = ["perl", "-e", script, ...words];
  await (device === "" ? world.inside(by, program) : world.onHost(program));
}

/** The guest gives its address back (RFC 2131: DHCPRELEASE bears it as that of the client). */
async function release(address: string): Promise<void> {
  const script = `
    use Socket; use IO::Socket::INET;
    my ($address, $mac) = @ARGV;
    my $packet = pack("C4 N n2 a4 N3 H12 x10 x64 x128 N C3 C", 1, 1, 6, 0, 7, 0, 0,
      pack("C4", split(/[.]/, $address)), 0, 0, 0, $mac, 0x63825363, 53, 1, 7, 255);
    my $socket = IO::Socket::INET->new(Proto => "udp", LocalAddr => $address, LocalPort => 68);
    send($socket, $packet, 0, pack_sockaddr_in(67, inet_aton("10.20.0.1"))) or die;
  `;
  await world.inside("web1", ["perl", "-e", script, address, mac.replaceAll(":", "")]);
}

type Key = string | { readonly concat: readonly [string, number | string] };

/** The bits of an IPv4 address. */
const textOf = (key: Key) => (typeof key === "string" ? key : key.concat[1].toString(16));

/** Seconds until each element is forgotten, by address or tap. */
async function remaining(set = "learned4_dhcp"): Promise<Record<string, number>> {
  const list = ["nft", "-j", "list", "set", "bridge", "virtwall", set];
  const { nftables } = JSON.parse(await world.onHost(list));
  const elements: { elem: { val: Key; expires: number } }[] =
    nftables.find((each: object) => "set" in each).set.elem ?? [];
  return Object.fromEntries(elements.map(({ elem: { val, expires } }) => [textOf(val), expires]));
}

test("without a ruleset both addresses of the guest are heard", async () => {
  await world.onHost(["nft", "flush", "ruleset"]);
  expect([await isHeard(own), await isHeard(other)]).toEqual([true, true]);
});

test("the first address that a guest uses is the one it keeps", async () => {
  await load("{}");
  expect([await isHeard(own), await isHeard(other), await isHeard(own)]).toEqual([
    true,
    false,
    true,
  ]);
});

test("with dhcp an address is the guest's once a server has given it to its MAC address", async () => {
  await load("{ CTRL_IP_LEARNING: [dhcp] }");
  expect(await isHeard(other)).toBe(false);
  await reply({ address: other, type: 2 });
  await reply({ address: other, to: "52:54:00:20:00:12" });
  expect(await isHeard(other)).toBe(false);
  await reply({ address: other });
  expect(await isHeard(other)).toBe(true);
});

test("with dhcp an address that the guest has given back is its own no more", async () => {
  await load("{ CTRL_IP_LEARNING: [dhcp] }");
  await reply({ address: other });
  expect(await isHeard(other)).toBe(true);
  await release(other);
  expect(await isHeard(other)).toBe(false);
});

test("the host's own DHCP server gives addresses as well", async () => {
  await load("{ CTRL_IP_LEARNING: [dhcp] }");
  await reply({ address: other, by: "host" });
  expect(await isHeard(other)).toBe(true);
});

test.each([
  ["any", "learned4"],
  ["dhcp", "learned4_dhcp"],
])(
  "with %s no guest gives another an address, nor itself one over a port in hairpin mode",
  async (mode, set) => {
    await load(`{ CTRL_IP_LEARNING: [${mode}] }`);
    const hairpin = (word: "on" | "off") =>
      world.onHost(["bridge", "link", "set", "dev", "vnet0", "hairpin", word]);
    const learned = () => world.onHost(["nft", "-j", "list", "set", "bridge", "virtwall", set]);
    const given = String(0x0a140063);
    await hairpin("on");
    for (const by of ["web2", "web1"] as const) await reply({ address: other, by });
    expect(await learned()).not.toContain(given);
    await hairpin("off");
    await load(`{ CTRL_IP_LEARNING: [${mode}] }`);
    await reply({ address: other });
    expect(await learned()).toContain(given);
  },
);

test("a server in a guest gives addresses where it is listed", async () => {
  await load("{ CTRL_IP_LEARNING: [dhcp], DHCPSERVER: [10.20.0.12] }");
  await reply({ address: other, by: "web2" });
  expect(await isHeard(other)).toBe(true);
});

test.each(["10.20.0.12", "10.20.0.1"])(
  "by its own word no guest takes %s, another's or the host's, and its own it takes",
  async (address) => {
    await load("{}");
    await world.inside("web1", ["ip", "addr", "add", `${address}/32`, "dev", "lo"]);
    const heard = [await isHeard(address)];
    await world.inside("web1", ["ip", "addr", "del", `${address}/32`, "dev", "lo"]);
    expect([...heard, await isHeard(own)]).toEqual([false, true]);
  },
);

test("what any has learned is worth nothing with dhcp", async () => {
  await load("{}");
  expect(await isHeard(other)).toBe(true);
  await change("{ CTRL_IP_LEARNING: [dhcp] }");
  expect(await isHeard(other)).toBe(false);
});

test("with dhcp what was learned ends with its lease, and each acknowledgement renews it", async () => {
  await load("{ CTRL_IP_LEARNING: [dhcp] }");
  const hour = 3600;
  const day = 24 * hour;
  await reply({ address: "10.20.0.1", seconds: hour });
  await reply({ address: "10.20.0.2", seconds: day });
  await reply({ address: "10.20.0.3", seconds: 7 * day });
  await reply({ address: "10.20.0.4", seconds: 0xffffffff });
  await reply({ address: "10.20.0.5" });
  const within = (before: number, most: number) =>
    expect.toSatisfy((seconds: number) => seconds > before && seconds <= most);
  expect(await remaining()).toEqual({
    a140001: within(0, hour),
    a140002: within(hour, day),
    a140003: within(day, 8 * day),
    a140004: within(day, 8 * day),
    a140005: within(day, 8 * day),
  });
  await reply({ address: "10.20.0.1", seconds: day });
  expect(await remaining()).toMatchObject({ a140001: within(hour, day) });
});

test("what the kernel has learned is no drift", async () => {
  const tables = await load("{ CTRL_IP_LEARNING: [dhcp] }");
  await reply({ address: other, seconds: 3600 });
  expect(Object.keys(await remaining())).toHaveLength(1);
  expect(planTables(await ownTables(), tables).script).toBe("");
});

test("with dhcp an address that libvirt's own server has leased is the guest's from the beginning", async () => {
  await load("{ CTRL_IP_LEARNING: [dhcp] }");
  expect([await isHeard(own), await isHeard(other)]).toEqual([true, false]);
});

test("with a list of servers no other one gives addresses", async () => {
  await load("{ CTRL_IP_LEARNING: [dhcp], DHCPSERVER: [10.20.0.251] }");
  await reply({ address: own });
  expect(await isHeard(own)).toBe(false);
});

test("an address of IPv6 is kept as long as it is used, and a nic has few new ones in a day", async () => {
  await load("{}", "clean-traffic-ipv6");
  const addresses = [1, 2, 3, 4, 5, 6, 7].map((number) => `fd00:20::a:${number}`);
  for (const address of addresses) {
    await world.inside("web1", ["ip", "addr", "add", `${address}/128`, "dev", "lo", "nodad"]);
  }
  const heard: boolean[] = [];
  for (const address of addresses) heard.push(await isHeard(address));
  expect(heard).toEqual([true, true, true, true, true, true, false]);
  const [first = ""] = addresses;
  const day = 86_400;
  expect(Object.values(await remaining("locked6_1")).every((seconds) => seconds <= day)).toBe(true);
  const left = async () => (await remaining("learned6"))[first] ?? 0;
  await expect.poll(left, patience).toBeLessThan(7 * day - 1);
  const before = await left();
  const used = async () => ((await isHeard(first)) ? left() : 0);
  await expect.poll(used, patience).toBeGreaterThan(before);
});
