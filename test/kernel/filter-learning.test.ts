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

let world: World;

beforeAll(async () => {
  world = await createWorld(await readWorldSpec(inventory));
  await world.agent("web2").listen("udp", 9000);
  await world.inside("web1", ["ip", "addr", "add", `${other}/32`, "dev", "lo"]);
});
afterAll(() => world?.close());

async function load(parameters: string): Promise<readonly Table[]> {
  const policy = `
networks: { front: { mode: nat }, dmz: { mode: route } }
guests:
  web1: { filter: clean-traffic, nics: { "52:54:00:20:00:11": { parameters: ${parameters} } } }
`;
  await world.onHost(["nft", "flush", "ruleset"]);
  const tables = await tablesOfCase(folder, policy);
  await loadRuleset(world, await readHostFirewall(folder), tables);
  return tables;
}

/** Whether web2 hears a datagram of web1 that bears the address. */
async function isHeard(source: string): Promise<boolean> {
  await world.agent("web2").heard(9000);
  const datagram = { host: "10.20.0.12", port: 9000, source, timeoutMs: 150 };
  await world.agent("web1").attempt("udp", datagram);
  return (await world.agent("web2").heard(9000)).includes(source);
}

/** A reply of a DHCP server to all, in the shape of RFC 2131: 5 is ACK, 2 OFFER. With `seconds` options stand as dnsmasq sets them. */
async function reply(type: number, address: string, mac: string, seconds = ""): Promise<void> {
  const script = `
    use IO::Socket::INET;
    my ($type, $address, $mac, $seconds) = @ARGV;
    my $lease = $seconds eq "" ? "" : pack("C2 N C2 N", 54, 4, 0x0a140001, 51, 4, $seconds);
    my $packet = pack("C4 N n2 N a4 N2 H12 x10 x64 x128 N C3 a* C", 2, 1, 6, 0, 7, 0, 0, 0,
      pack("C4", split(/[.]/, $address)), 0, 0, $mac, 0x63825363, 53, 1, $type, $lease, 255);
    IO::Socket::INET->new(Proto => "udp", LocalPort => 67, PeerAddr => "10.20.0.255",
      PeerPort => 68, Broadcast => 1, ReuseAddr => 1)->send($packet);
  `;
  const hex = mac.replaceAll(":", "");
  await world.inside("web2", ["perl", "-e", script, String(type), address, hex, seconds]);
}

/** Seconds until each learned address is forgotten, by address. */
async function remaining(): Promise<Record<string, number>> {
  const list = ["nft", "-j", "list", "set", "bridge", "virtwall", "learned4"];
  const { nftables } = JSON.parse(await world.onHost(list));
  const elements: { elem: { val: { concat: [string, number] }; expires: number } }[] =
    nftables.find((each: object) => "set" in each).set.elem ?? [];
  return Object.fromEntries(
    elements.map(({ elem: { val, expires } }) => [val.concat[1].toString(16), expires]),
  );
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
  await reply(2, other, "52:54:00:20:00:11");
  await reply(5, other, "52:54:00:20:00:12");
  expect(await isHeard(other)).toBe(false);
  await reply(5, other, "52:54:00:20:00:11");
  expect(await isHeard(other)).toBe(true);
});

test("with dhcp what was learned ends with its lease, and each acknowledgement renews it", async () => {
  await load("{ CTRL_IP_LEARNING: [dhcp] }");
  const mac = "52:54:00:20:00:11";
  const hour = 3600;
  const day = 24 * hour;
  await reply(5, "10.20.0.1", mac, String(hour));
  await reply(5, "10.20.0.2", mac, String(day));
  await reply(5, "10.20.0.3", mac, String(7 * day));
  await reply(5, "10.20.0.4", mac, String(0xffffffff));
  await reply(5, "10.20.0.5", mac);
  const within = (before: number, most: number) =>
    expect.toSatisfy((seconds: number) => seconds > before && seconds <= most);
  expect(await remaining()).toEqual({
    a140001: within(0, hour),
    a140002: within(hour, day),
    a140003: within(day, 8 * day),
    a140004: within(day, 8 * day),
    a140005: within(day, 8 * day),
  });
  await reply(5, "10.20.0.1", mac, String(day));
  expect(await remaining()).toMatchObject({ a140001: within(hour, day) });
});

test("what the kernel has learned is no drift", async () => {
  const tables = await load("{ CTRL_IP_LEARNING: [dhcp] }");
  await reply(5, other, "52:54:00:20:00:11", "3600");
  expect(Object.keys(await remaining())).toHaveLength(1);
  const listing = await world.onHost(["nft", "-j", "list", "ruleset"]);
  const own = readTables(JSON.parse(listing)).filter(isOwnTable);
  expect(planTables(own, tables).script).toBe("");
});

test("with dhcp an address that libvirt's own server has leased is the guest's from the beginning", async () => {
  await load("{ CTRL_IP_LEARNING: [dhcp] }");
  expect([await isHeard(own), await isHeard(other)]).toEqual([true, false]);
});

test("with a list of servers no other one gives addresses", async () => {
  await load("{ CTRL_IP_LEARNING: [dhcp], DHCPSERVER: [10.20.0.250] }");
  await reply(5, own, "52:54:00:20:00:11");
  expect(await isHeard(own)).toBe(false);
});
