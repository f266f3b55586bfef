import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readTables } from "../../src/nft/read.ts";
import { planTables } from "../../src/reconcile/plan-tables.ts";
import { caseFolder } from "../world/case-folders.ts";
import { tablesOfCase } from "../world/compile-case.ts";
import {
  arpRequest,
  routerAdvertisement,
  tagged,
  udpFrame,
  vrrp,
  type Datagram,
} from "../world/frame.ts";
import { loadRuleset, readHostFirewall } from "../world/host-firewall.ts";
import { readWorldSpec } from "../world/inventory-world.ts";
import { Tap } from "../world/tap.ts";
import { createWorld, worldAddresses, type World } from "../world/world.ts";

/*
 * Two firewall guests, one router under a MAC address and an address that they share (VRRP, CARP), and two guests behind them: each nic
 * is a tap whose frames the test makes itself.
 */

const { folder, inventory } = caseFolder("firewall-vm");
const carp = { mac: "00:00:5e:00:01:0a", four: "10.80.0.3", six: "fd00:80::3", link: "fe80::3" };
const first = { mac: "52:54:00:80:00:02", four: "10.80.0.2", six: "fd00:80::2" };
const app1 = { mac: "52:54:00:80:00:11", four: "10.80.0.11", six: "fd00:80::11" };
const app2 = { mac: "52:54:00:80:00:12", four: "10.80.0.12", six: "fd00:80::12", link: "fe80::12" };
const world4 = "198.51.100.50";
const port = 9443;

const policy = `host:
  topology: firewall-vm
  firewallVm: { guest: [fw, rogue], wan: br-wan, macs: "${carp.mac}" }
  input: [{ allow: tcp/22 }, { allow: udp/${port}, on: lan }]
guests:
  fw: { nics: { "${first.mac}": { address: [${first.four}, ${carp.four}, "${first.six}"] } } }
`;

let world: World;
let bridgeMac: string;
let taps: Record<"outer" | "otherOuter" | "inner" | "app1" | "app2", Tap>;

beforeAll(async () => {
  world = await createWorld({ ...(await readWorldSpec(inventory)), guests: [] });
  taps = {
    outer: await Tap.open(world, "vnet0", "br-wan"),
    otherOuter: await Tap.open(world, "vnet4", "br-wan"),
    inner: await Tap.open(world, "vnet1", "virbr0"),
    app1: await Tap.open(world, "vnet2", "virbr0"),
    app2: await Tap.open(world, "vnet3", "virbr0"),
  };
  const address = await world.onHost(["cat", "/sys/class/net/virbr0/address"]);
  bridgeMac = address.trim();
  await world.agent("host").listen("udp", port);
});
afterAll(async () => {
  await Promise.all(Object.values(taps).map((tap) => tap.close()));
  await world.close();
});

const flush = () => world.onHost(["nft", "flush", "ruleset"]);
const load = async () =>
  loadRuleset(world, await readHostFirewall(folder), await tablesOfCase(folder, policy));

const inet = (source: string, destination: string): Datagram => {
  return { source, sourcePort: 1234, destination, port };
};

/** Which of the frames came to the other tap: all that came did so before one that is sent last. */
async function heard(from: Tap, to: Tap, frames: readonly Buffer[]): Promise<boolean[]> {
  to.clear();
  for (const frame of frames) from.send(frame);
  const last = arpRequest("52:54:00:80:00:99", "0.0.0.0", "10.80.0.250");
  from.send(last);
  expect(await to.receives((frame) => frame.equals(last), 30_000)).toBe(true);
  return Promise.all(frames.map((each) => to.receives((frame) => frame.equals(each), 0)));
}

test("the kernel lists what it was given", async () => {
  await load();
  const listed = readTables(JSON.parse(await world.onHost(["nft", "-j", "list", "ruleset"])));
  const own = listed.filter(({ name }) => name === "virtwall");
  expect(planTables(own, await tablesOfCase(folder, policy)).changes).toEqual([]);
});

describe("what only the router of a LAN says", () => {
  const toApp1 = { from: app2.mac, to: app1.mac };
  const frames: readonly (readonly [string, Buffer])[] = [
    ["a router advertisement", routerAdvertisement(app2.mac, app2.link)],
    ["one with a tag of no VLAN", tagged(routerAdvertisement(app2.mac, app2.link), 0)],
    ["one with that of 802.1ad", tagged(routerAdvertisement(app2.mac, app2.link), 0, 0x88a8)],
    ["VRRP of its number", vrrp(app2.mac, app2.four, 10)],
    ["ARP of the shared address", arpRequest(app2.mac, carp.four, app1.four)],
    ["ARP of an address of one of them", arpRequest(app2.mac, first.four, app1.four)],
    ["a packet from that", udpFrame(toApp1, inet(first.four, app1.four))],
    ["a packet of IPv6 from that", udpFrame(toApp1, inet(first.six, app1.six))],
    ["a frame under the shared MAC address", arpRequest(carp.mac, app2.four, app1.four)],
    ["a frame under a MAC address of one of them", arpRequest(first.mac, app2.four, app1.four)],
  ];
  const all = frames.map(([, frame]) => frame);

  test("no other guest says, as it could without a ruleset", async () => {
    await flush();
    expect(await heard(taps.app2, taps.app1, all)).toEqual(all.map(() => true));
    await load();
    const passed = await heard(taps.app2, taps.app1, all);
    expect(frames.filter((_, index) => passed[index]).map(([what]) => what)).toEqual([]);
  });

  test("the firewall guest says", async () => {
    await load();
    const own = [
      vrrp(carp.mac, carp.four, 10),
      routerAdvertisement(carp.mac, carp.link),
      routerAdvertisement(first.mac, "fe80::2"),
      arpRequest(carp.mac, carp.four, carp.four),
      udpFrame({ from: carp.mac, to: app1.mac }, inet(world4, app1.four)),
    ];
    expect(await heard(taps.inner, taps.app1, own)).toEqual(own.map(() => true));
  });
});

test("of another number any guest may be a router of VRRP", async () => {
  await load();
  expect(await heard(taps.app2, taps.app1, [vrrp(app2.mac, app2.four, 11)])).toEqual([true]);
});

test("on the WAN either of them announces the shared address to the other", async () => {
  await load();
  const announced = [arpRequest(carp.mac, "198.51.100.20", "198.51.100.20")];
  expect(await heard(taps.outer, taps.otherOuter, announced)).toEqual([true]);
  expect(await heard(taps.otherOuter, taps.outer, announced)).toEqual([true]);
});

test("what comes to the host under the shared MAC address is believed of the firewall guest alone", async () => {
  await load();
  const probe = (source: string) =>
    udpFrame({ from: carp.mac, to: bridgeMac }, inet(source, "10.80.0.1"));
  taps.app2.send(probe("198.51.100.51"));
  await heard(taps.app2, taps.app1, []);
  taps.inner.send(probe(world4));
  const sources: string[] = [];
  const hear = async () => sources.push(...(await world.agent("host").heard(port)));
  await expect.poll(hear, { timeout: 30_000 }).toBeGreaterThan(0);
  expect(sources).toEqual([world4]);
});

describe("a trunk of VLANs to the firewall guest", () => {
  const settings = (...values: readonly number[]) =>
    ["call-iptables", "call-ip6tables", "filter-vlan-tagged"].map(
      (name, index) => `net.bridge.bridge-nf-${name}=${values[index] ?? 0}`,
    );
  const link = { from: first.mac, to: app1.mac };
  const frames = [
    tagged(udpFrame(link, inet("10.100.0.1", "10.100.0.2")), 100),
    tagged(udpFrame(link, inet("fd00:100::1", "fd00:100::2")), 100),
  ];

  test.each([
    ["no frame of a bridge meets rules of IP", settings()],
    ["untagged ones do", settings(1, 1)],
    ["tagged ones do too", settings(1, 1, 1)],
  ])("passes where %s", async (_what, values) => {
    await load();
    await world.onHost(["sysctl", "-qw", ...values]);
    expect(await heard(taps.inner, taps.app1, frames)).toEqual([true, true]);
  });
});

describe("a firewall guest that publishes and masquerades", () => {
  const rules = `table inet nat {
    chain publish {
      type nat hook prerouting priority dstnat
      iifname "eth0" tcp dport 8080 dnat ip to ${app1.four}:80
      iifname "eth0" tcp dport 8080 dnat ip6 to [${app1.six}]:80
    }
    chain source {
      type nat hook postrouting priority srcnat
      oifname "eth0" masquerade
    }
  }`;
  const timeoutMs = 5_000;
  let natWorld: World;

  beforeAll(async () => {
    const spec = await readWorldSpec(inventory);
    const guests = spec.guests
      .filter(({ name }) => ["fw", "app1"].includes(name))
      .map((guest) =>
        guest.name === "fw" ? guest : { ...guest, gateways: [first.four, first.six] },
      );
    natWorld = await createWorld({ ...spec, guests });
    const forwarding = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"];
    await natWorld.inside("fw", ["sysctl", "-qw", ...forwarding]);
    await natWorld.inside("fw", ["nft", "-f", "-"], rules);
    await Promise.all(["app1", "world"].map((name) => natWorld.agent(name).listen("tcp", 80)));
    await loadRuleset(natWorld, await readHostFirewall(folder), await tablesOfCase(folder));
    return () => natWorld.close();
  });

  test.each([
    ["198.51.100.10", worldAddresses.onLink[0], worldAddresses.beyond[0]],
    ["2001:db8:1::10", worldAddresses.onLink[2], worldAddresses.beyond[1]],
  ])("at %s is the way in and out", async (own, outside, beyond) => {
    const { agent } = natWorld;
    const came = await agent("world").attempt("tcp", { host: own, port: 8080, timeoutMs });
    expect(came).toMatchObject({ outcome: "answered", by: "app1", saw: outside });
    const went = await agent("app1").attempt("tcp", { host: beyond, port: 80, timeoutMs });
    expect(went).toMatchObject({ outcome: "answered", by: "world", saw: own });
  });

  test("and what stands through it outlives every rule of the host", async () => {
    const { agent } = natWorld;
    const target = { host: "198.51.100.10", port: 8080, timeoutMs };
    await agent("world").hold("in", target);
    await natWorld.onHost(["nft", "flush", "ruleset"]);
    expect(await agent("world").exchange("in", timeoutMs)).toMatchObject({ outcome: "answered" });
    expect(await agent("world").attempt("tcp", target)).toMatchObject({ by: "app1" });
    await loadRuleset(natWorld, await readHostFirewall(folder), await tablesOfCase(folder));
    expect(await agent("world").exchange("in", timeoutMs)).toMatchObject({ outcome: "answered" });
  });
});
