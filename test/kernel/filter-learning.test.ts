import { afterAll, beforeAll, expect, test } from "vitest";
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

async function load(parameters: string): Promise<void> {
  const policy = `
networks: { front: { mode: nat }, dmz: { mode: route } }
guests:
  web1: { filter: clean-traffic, nics: { "52:54:00:20:00:11": { parameters: ${parameters} } } }
`;
  await world.onHost(["nft", "flush", "ruleset"]);
  await loadRuleset(world, await readHostFirewall(folder), await tablesOfCase(folder, policy));
}

/** Whether web2 hears a datagram of web1 that bears the address. */
async function isHeard(source: string): Promise<boolean> {
  await world.agent("web2").heard(9000);
  const datagram = { host: "10.20.0.12", port: 9000, source, timeoutMs: 150 };
  await world.agent("web1").attempt("udp", datagram);
  return (await world.agent("web2").heard(9000)).includes(source);
}

/** A reply of a DHCP server to all, in the shape of RFC 2131: 5 is ACK, 2 OFFER. */
async function reply(type: number, address: string, mac: string): Promise<void> {
  const script = `
    use IO::Socket::INET;
    my ($type, $address, $mac) = @ARGV;
    my $packet = pack("C4 N n2 N a4 N2 H12 x10 x64 x128 N C3 C", 2, 1, 6, 0, 7, 0, 0, 0,
      pack("C4", split(/[.]/, $address)), 0, 0, $mac, 0x63825363, 53, 1, $type, 255);
    IO::Socket::INET->new(Proto => "udp", LocalPort => 67, PeerAddr => "10.20.0.255",
      PeerPort => 68, Broadcast => 1, ReuseAddr => 1)->send($packet);
  `;
  const hex = mac.replaceAll(":", "");
  await world.inside("web2", ["perl", "-e", script, String(type), address, hex]);
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

test("with dhcp an address that libvirt's own server has leased is the guest's from the beginning", async () => {
  await load("{ CTRL_IP_LEARNING: [dhcp] }");
  expect([await isHeard(own), await isHeard(other)]).toEqual([true, false]);
});

test("with a list of servers no other one gives addresses", async () => {
  await load("{ CTRL_IP_LEARNING: [dhcp], DHCPSERVER: [10.20.0.250] }");
  await reply(5, own, "52:54:00:20:00:11");
  expect(await isHeard(own)).toBe(false);
});
