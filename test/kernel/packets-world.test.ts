import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type World, type WorldSpec, createWorld } from "../world/world.ts";

const spec: WorldSpec = {
  bridges: [
    { name: "virbr20", addresses: ["10.20.0.1/24", "fd00:20::1/64"] },
    { name: "virbr21", addresses: ["10.21.0.1/24", "fd00:21::1/64"] },
  ],
  guests: [
    guest("web1", "vnet0", "virbr20", ["10.20.0.11/24", "fd00:20::b/64"]),
    guest("web2", "vnet1", "virbr20", ["10.20.0.12/24", "fd00:20::c/64"]),
    guest("app1", "vnet2", "virbr21", ["10.21.0.11/24", "fd00:21::b/64"]),
  ],
  uplink: { name: "eth0", addresses: ["198.51.100.1/24", "2001:db8:1::1/64"] },
  routedToHost: [],
};

function guest(name: string, tap: string, bridge: string, addresses: readonly string[]) {
  const mac = `52:54:00:00:00:0${tap.slice(-1)}`;
  return { name, nics: [{ tap, bridge, mac, addresses }] };
}

describe("a test world without any rules", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(spec);
    await Promise.all(
      [...world.agents.values()].flatMap((agent) => [
        agent.listen("tcp", 80),
        agent.listen("udp", 53),
      ]),
    );
  });
  afterAll(() => world.close());

  const ways = [
    ["world", "10.20.0.11", "web1", "198.51.100.50"],
    ["world", "fd00:21::b", "app1", "2001:db8:1::50"],
    ["web1", "192.0.2.1", "world", "10.20.0.11"],
    ["web1", "2001:db8:2::1", "world", "fd00:20::b"],
    ["web1", "10.20.0.12", "web2", "10.20.0.11"],
    ["web1", "fd00:20::c", "web2", "fd00:20::b"],
    ["web1", "10.21.0.11", "app1", "10.20.0.11"],
    ["web1", "fd00:21::b", "app1", "fd00:20::b"],
    ["web1", "198.51.100.1", "host", "10.20.0.11"],
    ["host", "10.20.0.11", "web1", "10.20.0.1"],
    ["host", "fd00:20::b", "web1", "fd00:20::1"],
  ] as const;

  test.each(ways)("carries tcp and udp from %s to %s", async (from, host, by, saw) => {
    const attempts = await Promise.all([
      world.agent(from).attempt("tcp", { host, port: 80, timeoutMs: 1000 }),
      world.agent(from).attempt("udp", { host, port: 53, timeoutMs: 1000 }),
      world.agent(from).attempt("icmp", { host, port: 0, timeoutMs: 1000 }),
    ]);
    expect(attempts).toEqual([
      expect.objectContaining({ outcome: "answered", by, saw, port: 80 }),
      expect.objectContaining({ outcome: "answered", by, saw, port: 53 }),
      { id: expect.anything(), outcome: "answered" },
    ]);
  });

  test("tells a silent host from one that refuses", async () => {
    const at = (host: string, port: number) =>
      world.agent("web1").attempt("tcp", { host, port, timeoutMs: 250 });
    expect(await at("10.20.0.12", 81)).toMatchObject({ outcome: "refused" });
    await world.onHost(["nft", "-f", "-"], dropAll);
    expect(await at("192.0.2.1", 80)).toMatchObject({ outcome: "silent" });
    await world.onHost(["nft", "flush", "ruleset"]);
  });

  test("shows bridged frames to the inet chains only when told so", async () => {
    await world.onHost(["nft", "-f", "-"], dropAll);
    const reach = () =>
      world.agent("web1").attempt("tcp", { host: "10.20.0.12", port: 80, timeoutMs: 250 });
    expect(await reach()).toMatchObject({ outcome: "answered" });
    await world.setBridgeNetfilter(true);
    expect(await reach()).toMatchObject({ outcome: "silent" });
    await world.onHost(["nft", "flush", "ruleset"]);
    await world.setBridgeNetfilter(false);
  });

  test("keeps a held connection and counts what a stream loses", async () => {
    const web1 = world.agent("web1");
    await web1.hold("a", { host: "192.0.2.1", port: 80, timeoutMs: 1000 });
    expect(await web1.exchange("a", 500)).toMatchObject({ outcome: "answered" });
    const request = { host: "192.0.2.1", port: 53, packets: 400, perSecond: 2000, flowCount: 4 };
    expect(await web1.stream(request)).toMatchObject({ sent: 400, lost: 0 });
    await world.onHost(["nft", "-f", "-"], dropAll);
    expect(await web1.exchange("a", 250)).toMatchObject({ outcome: "silent" });
    await world.onHost(["nft", "flush", "ruleset"]);
  });
});

const dropAll = `table inet closed {
  chain forward {
    type filter hook forward priority 0; policy drop;
  }
}
`;
