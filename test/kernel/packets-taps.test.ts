import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { caseFolder } from "../world/case-folders.ts";
import { tablesOfCase } from "../world/compile-case.ts";
import {
  arpRequest,
  broadcastMac,
  isArpReply,
  isNeighbourAdvertisement,
  neighbourSolicitation,
  udpFrame,
} from "../world/frame.ts";
import { loadRuleset, readHostFirewall } from "../world/host-firewall.ts";
import { readWorldSpec } from "../world/inventory-world.ts";
import { Tap } from "../world/tap.ts";
import { createWorld, type World } from "../world/world.ts";

/* One guest of the inventory, app2 on the routed network, is a real tap whose frames the test makes itself. */

const guest = { tap: "vnet3", mac: "52:54:00:21:00:12", four: "10.21.0.12", six: "fd00:21::12" };
const neighbour = { mac: "52:54:00:21:00:11", four: "10.21.0.11", six: "fd00:21::11" };
const bridge = { name: "virbr21", four: "10.21.0.1", six: "fd00:21::1" };
const world4 = "198.51.100.50";
const world6 = "2001:db8:1::50";
const port = 7777;

const { folder, inventory } = caseFolder("route");
const plain = "networks: { dmz: { mode: route } }\n";
const grouped = `${plain}groups: { web: { ingress: [{ allow: tcp/80 }] } }\nguests: { app2: { groups: [web] } }\n`;
const mute = `${plain}groups: { mute: { egress: [{ deny: any }] } }\nguests: { app2: { groups: [mute] } }\n`;
const published = `${plain}guests: { app2: { publish: [{ ports: [tcp/80] }] } }\n`;
const filtered = `${plain}guests: { app2: { filter: allow-arp } }\n`;
const apart = "networks: { dmz: { mode: route, isolate: true } }\n";

let world: World;
let bridgeMac: string;

async function load(policy: string): Promise<void> {
  const tables = await tablesOfCase(folder, policy);
  await loadRuleset(world, await readHostFirewall(folder), tables);
}

type Way = readonly [from: string, to: string];

/** Sends a datagram of the tap for each way, to a guest or through the host to the world, and gives the ways that were heard. */
async function heardOf(tap: Tap, sent: readonly Way[]): Promise<Way[]> {
  const listenerOf = ([, to]: Way) => (to === world4 || to === world6 ? "world" : "app1");
  const sources = { app1: new Set<string>(), world: new Set<string>() };
  const hear = () =>
    Promise.all(
      (["app1", "world"] as const).map(async (name) => {
        for (const source of await world.agent(name).heard(port)) sources[name].add(source);
      }),
    );
  const arrived = () => sent.filter((way) => sources[listenerOf(way)].has(way[0]));
  await hear();
  for (const set of Object.values(sources)) set.clear();
  for (const way of sent) {
    const link = { from: guest.mac, to: listenerOf(way) === "app1" ? neighbour.mac : bridgeMac };
    const [source, destination] = way;
    tap.send(udpFrame(link, { source, sourcePort: 1234, destination, port }));
  }
  const end = performance.now() + 250;
  while (performance.now() < end && arrived().length < sent.length) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    await hear();
  }
  return arrived();
}

/** To a neighbour and to the world, over both families. */
const waysFrom = (four: string, six: string): Way[] => [
  [four, neighbour.four],
  [six, neighbour.six],
  [four, world4],
  [six, world6],
];
const ways = waysFrom(guest.four, guest.six);

beforeAll(async () => {
  const spec = await readWorldSpec(inventory);
  world = await createWorld({
    ...spec,
    guests: spec.guests.filter(({ name }) => ["app1", "web1"].includes(name)),
  });
  await Promise.all(["app1", "world", "host"].map((name) => world.agent(name).listen("udp", port)));
  const address = await world.onHost(["cat", `/sys/class/net/${bridge.name}/address`]);
  bridgeMac = address.trim();
});
afterAll(() => world?.close());

describe.each(["vnet9", "tap0"])("a tap %s that no guest has", (device) => {
  let tap: Tap;
  beforeAll(async () => {
    tap = await Tap.open(world, device, bridge.name);
    return () => tap.close();
  });
  beforeEach(() => tap.clear());

  test("passes everything without a ruleset", async () => {
    await world.onHost(["nft", "flush", "ruleset"]);
    tap.send(arpRequest(guest.mac, guest.four, bridge.four));
    expect(await tap.receives((frame) => isArpReply(frame, bridge.four), 500)).toBe(true);
    expect(await heardOf(tap, ways)).toEqual(ways);
  });

  test("passes nothing on a bridge that virtwall manages", async () => {
    await load(plain);
    tap.send(arpRequest(guest.mac, guest.four, bridge.four));
    tap.send(neighbourSolicitation(guest.mac, guest.six, neighbour.six));
    expect(await heardOf(tap, ways)).toEqual([]);
    const isAnswer = (frame: Buffer) =>
      isArpReply(frame, bridge.four) || isNeighbourAdvertisement(frame, neighbour.six);
    expect(await tap.receives(isAnswer, 100)).toBe(false);
  });

  test("hears no broadcast of a guest, as it would without a ruleset", async () => {
    const known = await Tap.open(world, guest.tap, bridge.name);
    try {
      const isRequest = (frame: Buffer) =>
        frame.subarray(6, 12).toString("hex") === guest.mac.replaceAll(":", "");
      const isHeard = () => {
        tap.clear();
        known.send(arpRequest(guest.mac, guest.four, neighbour.four));
        return tap.receives(isRequest, 150);
      };
      await world.onHost(["nft", "flush", "ruleset"]);
      expect(await isHeard()).toBe(true);
      await load(plain);
      expect(await isHeard()).toBe(false);
    } finally {
      await known.close();
    }
  });
});

describe("the tap of a guest", () => {
  let tap: Tap;
  beforeAll(async () => {
    tap = await Tap.open(world, guest.tap, bridge.name);
    return () => tap.close();
  });
  beforeEach(() => tap.clear());

  test("reaches its neighbour and the world", async () => {
    await load(plain);
    expect(await heardOf(tap, ways)).toEqual(ways);
  });

  test("reaches nobody beyond its network with an address that is not of its network", async () => {
    await load(plain);
    const sent: Way[] = [
      ["10.20.0.12", world4],
      ["198.51.100.60", world4],
      ["fd00:20::12", world6],
      ["10.21.0.99", world4],
    ];
    expect(await heardOf(tap, sent)).toEqual([["10.21.0.99", world4]]);
  });

  describe("in a group", () => {
    test("reaches its neighbour and the world", async () => {
      await load(grouped);
      expect(await heardOf(tap, ways)).toEqual(ways);
    });

    test.each([
      ["its neighbour's", neighbour.four, neighbour.six],
      ["the bridge's", bridge.four, bridge.six],
      ["an unused", "10.21.0.99", "fd00:21::99"],
    ])("passes nothing with %s address", async (_, four, six) => {
      await load(grouped);
      expect(await heardOf(tap, waysFrom(four, six))).toEqual([]);
    });

    test("cannot claim another's address by ARP", async () => {
      await load(grouped);
      tap.send(arpRequest(guest.mac, neighbour.four, bridge.four));
      expect(await tap.receives((frame) => isArpReply(frame, bridge.four), 100)).toBe(false);
      tap.send(arpRequest(guest.mac, guest.four, bridge.four));
      expect(await tap.receives((frame) => isArpReply(frame, bridge.four), 500)).toBe(true);
    });

    test("may ask whether an address is free before it has one", async () => {
      await load(grouped);
      tap.send(arpRequest(guest.mac, "0.0.0.0", neighbour.four));
      expect(await tap.receives((frame) => isArpReply(frame, neighbour.four), 500)).toBe(true);
      tap.send(neighbourSolicitation(guest.mac, "::", neighbour.six));
      const isAnswer = (frame: Buffer) => isNeighbourAdvertisement(frame, neighbour.six);
      expect(await tap.receives(isAnswer, 500)).toBe(true);
    });
  });

  test.each([
    ["plain", plain],
    ["grouped", grouped],
    ["mute", mute],
    ["kept apart", apart],
  ])("gets its DHCP request to the host: %s", async (_, policy) => {
    await load(policy);
    await world.onHost(["nft", "-f", "-"], witness);
    const discover = {
      source: "0.0.0.0",
      sourcePort: 68,
      destination: "255.255.255.255",
      port: 67,
    };
    tap.send(udpFrame({ from: guest.mac, to: broadcastMac }, discover));
    await expect
      .poll(() => world.onHost(["nft", "list", "counter", "inet", "witness", "dhcp"]))
      .toContain("packets 1 ");
  });

  test.each([
    ["without a group both", plain, "packets 2 "],
    ["in a mute group no", mute, "packets 0 "],
  ])("%s of its addresses reach the host's name server", async (_, policy, count) => {
    await load(policy);
    await world.onHost(["nft", "-f", "-"], witness);
    const shown = await world.onHost(["ip", "-6", "-o", "addr", "show", "dev", bridge.name]);
    const destination = /fe80:[0-9a-f:]+/.exec(shown)?.[0] ?? "";
    for (const source of ["fe80::1234", guest.six]) {
      const link = { from: guest.mac, to: bridgeMac };
      tap.send(udpFrame(link, { source, sourcePort: 1234, destination, port: 53 }));
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    const counter = await world.onHost(["nft", "list", "counter", "inet", "witness", "dns"]);
    expect(counter).toContain(count);
  });

  test("does not hear itself where its port is in hairpin mode for a publication", async () => {
    const probes = [
      arpRequest(guest.mac, "0.0.0.0", guest.four),
      neighbourSolicitation(guest.mac, "::", guest.six),
    ];
    const isOwn = (frame: Buffer) => probes.some((probe) => probe.equals(frame));
    await world.onHost(["bridge", "link", "set", "dev", guest.tap, "hairpin", "on"]);
    await world.onHost(["nft", "flush", "ruleset"]);
    for (const probe of probes) tap.send(probe);
    expect(await tap.receives(isOwn, 500)).toBe(true);
    await load(published);
    tap.clear();
    for (const probe of probes) tap.send(probe);
    expect(await tap.receives(isOwn, 150)).toBe(false);
  });

  test("sends with its own MAC address alone once it has a filter, whatever that asks for", async () => {
    const isHeardAs = (mac: string, waitMs: number) => {
      tap.clear();
      tap.send(arpRequest(mac, guest.four, bridge.four));
      return tap.receives((frame) => isArpReply(frame, bridge.four), waitMs);
    };
    const other = "52:54:00:66:66:66";
    await load(plain);
    expect(await isHeardAs(other, 500)).toBe(true);
    await load(filtered);
    expect(await isHeardAs(other, 150)).toBe(false);
    expect(await isHeardAs(guest.mac, 500)).toBe(true);
  });

  test("hears the host and not its neighbour where guests are kept apart", async () => {
    await load(apart);
    tap.send(arpRequest(guest.mac, guest.four, neighbour.four));
    tap.send(neighbourSolicitation(guest.mac, guest.six, neighbour.six));
    const isNeighbour = (frame: Buffer) =>
      isArpReply(frame, neighbour.four) || isNeighbourAdvertisement(frame, neighbour.six);
    expect(await tap.receives(isNeighbour, 150)).toBe(false);
    tap.send(arpRequest(guest.mac, guest.four, bridge.four));
    expect(await tap.receives((frame) => isArpReply(frame, bridge.four), 500)).toBe(true);
    // Straight to the neighbour's MAC, and to its address through the host.
    const link = { from: guest.mac, to: bridgeMac };
    const datagram = { source: guest.four, sourcePort: 1234, destination: neighbour.four, port };
    tap.send(udpFrame(link, datagram));
    expect(await heardOf(tap, ways)).toEqual(ways.slice(2));
  });
});

/** Behind every other chain of the hook: what it counts was let in. */
const witness = `table inet witness {
  counter dhcp {
  }
  counter dns {
  }
  chain input {
    type filter hook input priority 100; policy accept;
    udp dport 67 counter name dhcp
    udp dport 53 counter name dns
  }
}
`;
