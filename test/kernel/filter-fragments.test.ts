import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { caseFolder } from "../world/case-folders.ts";
import { compileCase } from "../world/compile-case.ts";
import { checksum, numbers16 } from "../world/frame.ts";
import { loadRuleset } from "../world/host-firewall.ts";
import { readWorldSpec } from "../world/inventory-world.ts";
import { frameOf, hasTag, type IpBody, protocolNumber } from "../world/packet.ts";
import { Tap } from "../world/tap.ts";
import { createWorld, type World } from "../world/world.ts";

/* Fragments as they are where nobody puts them together on a bridge. Both guests are taps whose frames the test makes itself. */

const guest = { tap: "vnet3", mac: "52:54:00:21:00:12", four: "10.21.0.12", six: "fd00:21::12" };
const neighbour = {
  tap: "vnet2",
  mac: "52:54:00:21:00:11",
  four: "10.21.0.11",
  six: "fd00:21::11",
};
const bridge = "virbr21";
const untracked = { filtered: [], isTracked: false, canReject: false };
const { folder: route, inventory } = caseFolder("route");
const { udp, icmpv6 } = protocolNumber;

let world: World;
let folder: string;
let taps: Readonly<Record<"guest" | "neighbour", Tap>>;

beforeAll(async () => {
  world = await createWorld({ ...(await readWorldSpec(inventory)), guests: [] });
  await world.setBridgeNetfilter(false);
  taps = {
    guest: await Tap.open(world, guest.tap, bridge),
    neighbour: await Tap.open(world, neighbour.tap, bridge),
  };
  const { four, mac } = guest;
  await world.onHost(["ip", "neigh", "replace", four, "lladdr", mac, "dev", bridge]);
  folder = mkdtempSync(join(tmpdir(), "virtwall-fragments-"));
  cpSync(join(route, "inventory"), join(folder, "inventory"), {
    recursive: true,
    dereference: true,
  });
  mkdirSync(join(folder, "inventory", "nwfilter"), { recursive: true });
});
afterAll(async () => {
  await Promise.all([taps?.guest.close(), taps?.neighbour.close()]);
  await world?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

async function bind(rules: string): Promise<void> {
  const text = `<filter name='mine' chain='root'>${rules}</filter>`;
  writeFileSync(join(folder, "inventory", "nwfilter", "mine.xml"), text);
  const policy = "networks: { dmz: { mode: open } }\nguests: { app2: { filter: mine } }\n";
  const { tables, problemText } = await compileCase(folder, policy, untracked);
  expect(problemText).not.toContain("error");
  await world.onHost(["nft", "flush", "ruleset"]);
  await loadRuleset(world, "", tables);
}

let lastTag = 0;

/** A piece of a packet: in IPv4 it is marked as one, in IPv6 the body is behind the header that says so. */
function piece(
  from: typeof guest,
  to: typeof guest,
  body: Partial<IpBody>,
  at: number,
): [Buffer, number] {
  const tag = ++lastTag;
  const family = body.protocol === 44 ? "six" : "four";
  const ends = { source: from[family], destination: to[family] };
  const ip: IpBody = { kind: "ip", protocol: udp, ...ends, ...body };
  const frame = frameOf({ from: from.mac, to: to.mac, body: ip }, tag);
  if (family === "four") {
    frame.writeUInt16BE(at === 0 ? 0x2000 : at, 20);
    frame.writeUInt16BE(0, 24);
    frame.writeUInt16BE(checksum(frame.subarray(14, 34)), 24);
  }
  return [frame, tag];
}

const six = (next: number, at: number, rest: Buffer) => ({
  protocol: 44,
  payload: Buffer.concat([
    Buffer.from([next, 0]),
    numbers16((at << 3) | (at === 0 ? 1 : 0), 0, 77),
    rest,
  ]),
});

type Piece = readonly [body: Partial<IpBody>, at: number];

/** Which of the pieces come out at the other tap, each sent once. */
async function heard(way: "in" | "out", pieces: readonly Piece[]): Promise<boolean[]> {
  const [from, to] = way === "in" ? [neighbour, guest] : [guest, neighbour];
  const sender = way === "in" ? taps.neighbour : taps.guest;
  const hearer = way === "in" ? taps.guest : taps.neighbour;
  hearer.clear();
  const tags = pieces.map(([body, at]) => {
    const [frame, tag] = piece(from, to, body, at);
    sender.send(frame);
    return tag;
  });
  await settle(from, to);
  return Promise.all(tags.map((tag) => hearer.receives((frame) => hasTag(frame, tag), 0)));
}

/** What was sent before has come out or never will: frames keep their order, and this one, which is not IP, passes all filters here. */
async function settle(from: typeof guest, to: typeof guest): Promise<void> {
  const tag = ++lastTag;
  const [sender, hearer] =
    from === guest ? [taps.guest, taps.neighbour] : [taps.neighbour, taps.guest];
  sender.send(frameOf({ from: from.mac, to: to.mac, body: { kind: "other", type: 0x88b5 } }, tag));
  expect(await hearer.receives((frame) => hasTag(frame, tag), 30_000)).toBe(true);
}

const ports = numbers16(1024, 7777, 200, 0);
const first4: Piece = [{ destinationPort: 7777 }, 0];
const later4: Piece = [{ protocol: udp, payload: Buffer.alloc(8) }, 3];
const first6: Piece = [six(udp, 0, ports), 0];
const later6: Piece = [six(udp, 3, Buffer.alloc(24)), 3];
const whole: readonly Piece[] = [first4, later4, first6, later6];

test("without a ruleset all fragments pass", async () => {
  await world.onHost(["nft", "flush", "ruleset"]);
  expect(await heard("in", whole)).toEqual([true, true, true, true]);
});

test("a filter that drops all packets lets no fragment of another guest's pass", async () => {
  await bind(`<rule action='drop' direction='inout'><all/></rule>
    <rule action='drop' direction='inout'><all-ipv6/></rule>`);
  expect(await heard("in", whole)).toEqual([false, false, false, false]);
  expect(await heard("out", whole)).toEqual([false, false, false, false]);
});

test("a source that may not send to the guest may not by fragments", async () => {
  await bind(`<rule action='drop' direction='in'><all srcipaddr='${neighbour.four}'/></rule>`);
  expect(await heard("in", whole)).toEqual([false, false, true, true]);
});

test("what the host sends in fragments arrives where the first may", async () => {
  const stateless = "statematch='false'";
  await bind(`<rule action='accept' direction='in' ${stateless}><udp dstportstart='7777'/></rule>
    <rule action='drop' direction='in'><all/></rule>`);
  const send = `use IO::Socket::INET; IO::Socket::INET->new(Proto => "udp", PeerAddr => "${guest.four}",
    PeerPort => $ARGV[0])->send("x" x 4000)`;
  const pieces = async (port: number) => {
    taps.guest.clear();
    await world.inside("host", ["perl", "-e", send, String(port)]);
    const isPiece = (at: number) => (frame: Buffer) =>
      frame.readUInt16BE(12) === 0x0800 && (frame.readUInt16BE(20) & 0x1fff) === at;
    await settle(neighbour, guest);
    return Promise.all([0, 185, 370].map((at) => taps.guest.receives(isPiece(at), 0)));
  };
  expect(await pieces(7777)).toEqual([true, true, true]);
  expect((await pieces(7778))[0]).toBe(false);
});

test("a first fragment of IPv6 without the header that a filter drops by is dropped", async () => {
  const echo = Buffer.from([128, 0, 0, 0, 0, 7, 0, 1]);
  const advertisement = Buffer.from([134, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  // 800 bytes of destination options, of which a few are here.
  const hidden = Buffer.concat([Buffer.from([icmpv6, 99, 1, 254]), Buffer.alloc(12)]);
  // The options end where the fragment does.
  const bare = six(60, 0, Buffer.from([icmpv6, 1, 1, 4, 0, 0, 0, 0]));
  const pieces: readonly Piece[] = [
    [six(icmpv6, 0, echo), 0],
    [six(icmpv6, 0, advertisement), 0],
    [six(60, 0, hidden), 0],
    [bare, 0],
    [six(60, 3, advertisement), 3],
  ];
  await world.onHost(["nft", "flush", "ruleset"]);
  expect(await heard("out", pieces)).toEqual([true, true, true, true, true]);
  await bind("<filterref filter='no-router-advertisement'/>");
  expect(await heard("out", pieces)).toEqual([true, false, false, false, true]);
});
