import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openKernel } from "../../src/edge/nft/open-kernel.ts";
import type { NftKernel } from "../../src/edge/nft/kernel.ts";
import { compile } from "../../src/compile/compile.ts";
import type { Table } from "../../src/nft/ast.ts";
import { diffTables } from "../../src/nft/diff.ts";
import { cutFlows, formerOf, planCut, type Former } from "../../src/reconcile/cut-flows.ts";
import type { Desired } from "../../src/reconcile/decide.ts";
import type { Target } from "../world/agent.ts";
import { caseFolder } from "../world/case-folders.ts";
import { soundCase } from "../world/compile-case.ts";
import { readWorldSpec } from "../world/inventory-world.ts";
import { createWorld, type World } from "../world/world.ts";
import { buildGate } from "./gate-program.ts";

/* Which flows end when something is closed, and which go on. */

const { folder, inventory } = caseFolder("publish");
const web1Mac = "52:54:00:20:00:11";

const policy = (guests: string, more = "") => `
networks: { front: { mode: nat }, dmz: { mode: route, reach: [front] }, inner: { mode: isolated } }
${more}
guests:
${guests}`;
const web1 = (publish: string, more = "") => `  web1: { ${more} publish: [${publish}] }\n`;
const web2 = "  web2: { publish: [{ ports: [tcp/8081:80, udp/9001:9000] }] }\n";
const both = policy(web1("{ ports: [tcp/8080, tcp/80, udp/9000] }") + web2);

let world: World;
let kernel: NftKernel;
let held: Desired;
let tables: readonly Table[] = [];

async function desiredOf(text: string): Promise<Desired> {
  const { desired } = await soundCase(folder, text);
  if (desired === undefined) throw new Error("the policy has errors");
  return desired;
}

/** Brings the host to the policy, cuts what follows, and tells of it. */
async function change(desired: Desired, former: Former = held): Promise<readonly string[]> {
  const script = diffTables(tables, desired.compiled.tables);
  if (script !== "") await kernel.commit(script);
  [held, tables] = [desired, desired.compiled.tables];
  const plan = planCut(former, desired);
  if (kernel.flows === undefined) throw new Error("there is a gate");
  return plan === undefined ? [] : cutFlows(kernel.flows, plan);
}

const to = (host: string, port: number, more: Partial<Target> = {}): Target => ({
  host,
  port,
  timeoutMs: 500,
  ...more,
});

/** A UDP exchange from a fixed port: the same flow every time, while the kernel remembers it. */
const datagram = async (
  from: string,
  sourcePort: number,
  [host, port]: readonly [string, number],
) => (await world.agent(from).attempt("udp", to(host, port, { sourcePort }))).outcome;

const talk = async (from: string, flow: string) =>
  (await world.agent(from).exchange(flow, 300)).outcome;

/** The kernel's ids of all flows but those of the given ports, by the kernel's own tool. */
async function flowIds(...withoutPorts: readonly number[]): Promise<readonly string[]> {
  const listings = await Promise.all(
    ["ipv4", "ipv6"].map((family) =>
      world.onHost(["conntrack", "-L", "-f", family, "-o", "id"]).catch(() => ""),
    ),
  );
  return listings
    .join("")
    .split("\n")
    .filter((line) => !withoutPorts.some((port) => line.includes(`dport=${port} `)))
    .flatMap((line) => /\bid=(\d+)/.exec(line)?.[1] ?? [])
    .toSorted();
}

beforeAll(async () => {
  world = await createWorld(await readWorldSpec(inventory));
  await Promise.all(
    ["world", "web1", "web2", "app1", "app2", "db1"]
      .map((label) => world.agent(label))
      .flatMap((agent) => [
        ...[22, 80].map((port) => agent.listen("tcp", port)),
        agent.listen("udp", 9000),
        agent.talk(8080, 5),
      ]),
  );
  kernel = await openKernel({
    gate: "transient",
    socket: `/run/flows-cut-${process.pid}/gate.sock`,
    command: ["ip", "netns", "exec", world.hostNamespace, ...(await buildGate())],
  });
  tables = (await desiredOf("{}")).compiled.tables.map((table) => ({
    ...table,
    sets: [],
    chains: [],
  }));
});
afterAll(async () => {
  kernel?.close();
  await world?.close();
});
beforeEach(async () => {
  await change(await desiredOf(both), { publications: [] });
  await world.onHost(["conntrack", "-F"]);
});

test.each([
  ["IPv4", "198.51.100.1", "192.0.2.1"],
  ["IPv6", "2001:db8:1::1", "2001:db8:2::1"],
])(
  "a publication that is removed takes its flows along and no others: %s",
  async (_family, host, outside) => {
    const outsider = world.agent("world");
    await outsider.hold("removed", to(host, 80));
    await outsider.hold("kept", to(host, 8081));
    await world.agent("web1").hold("own", to(outside, 80));
    expect(await datagram("world", 5001, [host, 9000])).toBe("answered");
    expect(await datagram("world", 5002, [host, 9001])).toBe("answered");
    expect(await datagram("web1", 5003, [outside, 9000])).toBe("answered");
    const bystanders = await flowIds(80, 9000);
    const own = (await flowIds()).length;

    const cut = await change(await desiredOf(policy(web1("{ ports: [tcp/8080] }") + web2)));
    expect(cut.toSorted()).toEqual(["cut 1 flow of web1 tcp/80", "cut 1 flow of web1 udp/9000"]);
    expect((await flowIds()).length).toBe(own - 2);
    expect(await flowIds(80, 9000)).toEqual(bystanders);
    expect(await talk("world", "removed")).toBe("silent");
    expect(await datagram("world", 5001, [host, 9000])).not.toBe("answered");
    expect(await talk("world", "kept")).toBe("answered");
    expect(await talk("web1", "own")).toBe("answered");
    expect(await datagram("world", 5002, [host, 9001])).toBe("answered");
    expect(await datagram("web1", 5003, [outside, 9000])).toBe("answered");
  },
);

test.each([
  ["IPv4", "198.51.100.1"],
  ["IPv6", "2001:db8:1::1"],
])("a guest that goes on sending does not revive what was cut: %s", async (_family, host) => {
  for (let round = 0; round < 5; round++) {
    await change(await desiredOf(both));
    const flow = `stream ${host} ${round}`;
    await world.agent("world").hold(flow, to(host, 8080));
    expect(await world.agent("world").overhear(flow, 100)).toBeGreaterThan(0);
    await change(await desiredOf(policy(web1("{ ports: [tcp/80] }") + web2)));
    await world.agent("world").overhear(flow, 50);
    expect(await world.agent("world").overhear(flow, 300)).toBe(0);
  }
});
