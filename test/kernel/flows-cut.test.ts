import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openKernel } from "../../src/edge/nft/open-kernel.ts";
import type { NftKernel } from "../../src/edge/nft/kernel.ts";
import { compile } from "../../src/compile/compile.ts";
import type { Table } from "../../src/nft/ast.ts";
import { cutFlows, formerOf, planCut, type Former } from "../../src/reconcile/cut-flows.ts";
import type { Desired } from "../../src/reconcile/decide.ts";
import { planTables } from "../../src/reconcile/plan-tables.ts";
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
/** How long the last cut took. */
let cutMs = 0;

async function desiredOf(text: string): Promise<Desired> {
  const { desired } = await soundCase(folder, text);
  if (desired === undefined) throw new Error("the policy has errors");
  return desired;
}

/** Brings the host to the policy, cuts what follows, and tells of it. */
async function change(desired: Desired, former: Former = held): Promise<readonly string[]> {
  const { script } = planTables(tables, desired.compiled.tables);
  if (script !== "") await kernel.commit(script);
  [held, tables] = [desired, desired.compiled.tables];
  const started = performance.now();
  const plan = planCut(former, desired);
  if (kernel.flows === undefined) throw new Error("there is a gate");
  const cut = plan === undefined ? [] : await cutFlows(kernel.flows, plan);
  cutMs = performance.now() - started;
  return cut;
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

/** The kernel's ids of all flows but those to such ports, as their first packet named them; by another program than ours. */
async function flowIds(isLeftOut = (_port: number) => false): Promise<readonly string[]> {
  return (await flowLines())
    .filter((line) => !isLeftOut(Number(/\bdport=(\d+)/.exec(line)?.[1])))
    .flatMap((line) => /\bid=(\d+)/.exec(line)?.[1] ?? [])
    .toSorted();
}

const isOfWeb1 = (port: number) => port === 80 || port === 9000;

async function flowLines(): Promise<readonly string[]> {
  const listings = await Promise.all(
    ["ipv4", "ipv6"].map((family) =>
      world.onHost(["conntrack", "-L", "-f", family, "-o", "id"]).catch(() => ""),
    ),
  );
  return listings.join("").split("\n");
}

beforeAll(async () => {
  world = await createWorld(await readWorldSpec(inventory));
  // Where web1 is after a change of its address; agents listen on the addresses that are there when they begin.
  await world.inside("web1", ["ip", "addr", "add", "10.20.0.77/24", "dev", "eth0"]);
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
    const bystanders = await flowIds(isOfWeb1);
    const own = (await flowIds()).length;

    const cut = await change(await desiredOf(policy(web1("{ ports: [tcp/8080] }") + web2)));
    expect(cut.toSorted()).toEqual(["cut 1 flow of web1 tcp/80", "cut 1 flow of web1 udp/9000"]);
    expect((await flowIds()).length).toBe(own - 2);
    expect(await flowIds(isOfWeb1)).toEqual(bystanders);
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

test("a guest with a new address loses the flows of its publications, and no others", async () => {
  const host = "198.51.100.1";
  await world.agent("world").hold("published", to(host, 80));
  await world.agent("world").hold("neighbour's", to(host, 8081));
  await world.agent("web1").hold("own", to("192.0.2.1", 80));
  expect(await datagram("world", 5011, [host, 9000])).toBe("answered");
  const bystanders = await flowIds(isOfWeb1);

  const nics = `nics: { "${web1Mac}": { address: 10.20.0.77 } },`;
  const publish = "{ ports: [tcp/8080, tcp/80, udp/9000] }";
  const cut = await change(await desiredOf(policy(web1(publish, nics) + web2)));
  expect(cut.toSorted()).toEqual(["cut 1 flow of web1 tcp/80", "cut 1 flow of web1 udp/9000"]);
  expect(await flowIds(isOfWeb1)).toEqual(bystanders);
  expect(await talk("world", "published")).toBe("silent");
  expect(await talk("world", "neighbour's")).toBe("answered");
  expect(await talk("web1", "own")).toBe("answered");
  const again = await world.agent("world").attempt("tcp", to(host, 80));
  expect(again).toMatchObject({ by: "web1" });
  expect(await datagram("world", 5011, [host, 9000])).toBe("answered");
});

test("a guest that stops takes all its flows along", async () => {
  await world.agent("world").hold("published", to("198.51.100.1", 80));
  await world.agent("world").hold("neighbour's", to("198.51.100.1", 8081));
  await world.agent("web1").hold("own", to("2001:db8:2::1", 80));
  await world.agent("web2").hold("neighbour's own", to("2001:db8:2::1", 80));
  const guests = held.inventory.guests.filter(({ name }) => name !== "web1");
  const without = { ...held.inventory, guests };
  const cut = await change({
    ...held,
    inventory: without,
    compiled: compile(held.policy, without),
  });
  expect(cut.toSorted()).toEqual(["cut 1 flow of web1", "cut 1 flow of web1 tcp/80"]);
  expect(await talk("world", "published")).toBe("silent");
  expect(await talk("web1", "own")).toBe("silent");
  expect(await talk("world", "neighbour's")).toBe("answered");
  expect(await talk("web2", "neighbour's own")).toBe("answered");
});

test("a rule of a group that closes takes the flows along which it had let in", async () => {
  const grouped = (ingress: string) =>
    policy(web1("{ ports: [tcp/80, tcp/2222:22] }", "groups: [web],") + web2, ingress);
  const open = "groups: { web: { ingress: [{ allow: [tcp/80, tcp/22] }] } }";
  const narrow = `groups: { web: { ingress: [{ allow: tcp/80 }, { allow: tcp/22, from: ["10.21.0.0/24"] }] } }`;
  await change(await desiredOf(grouped(open)));
  await world.agent("world").hold("closed", to("198.51.100.1", 2222));
  await world.agent("world").hold("closed, IPv6", to("2001:db8:1::1", 2222));
  await world.agent("world").hold("open", to("198.51.100.1", 80));
  await world.agent("app1").hold("from", to("10.20.0.11", 22));
  await world.agent("web1").hold("own", to("192.0.2.1", 22));
  const cut = await change(await desiredOf(grouped(narrow)));
  expect(cut).toEqual(["cut 2 flows of web1 tcp/2222"]);
  expect(await talk("world", "closed")).toBe("silent");
  expect(await talk("world", "closed, IPv6")).toBe("silent");
  expect(await talk("world", "open")).toBe("answered");
  expect(await talk("app1", "from")).toBe("answered");
  expect(await talk("web1", "own")).toBe("answered");
  const silent = grouped(
    `groups: { web: { egress: [{ deny: tcp/22 }], ingress: [{ allow: tcp/80 }] } }`,
  );
  expect(await change(await desiredOf(silent))).toEqual(["cut 2 flows of web1"]);
  expect(await talk("app1", "from")).toBe("silent");
  expect(await talk("web1", "own")).toBe("silent");
  expect(await talk("world", "open")).toBe("answered");
});

test("a source that may not use a publication any more loses its flows, others go on", async () => {
  await world.agent("world").hold("out", to("198.51.100.1", 80, { source: "198.51.100.60" }));
  await world.agent("world").hold("in", to("198.51.100.1", 80, { source: "198.51.100.50" }));
  const narrowed = web1('{ ports: [tcp/80], from: ["198.51.100.50"] }');
  expect(await change(await desiredOf(policy(narrowed + web2)))).toEqual([
    "cut 1 flow of web1 tcp/80",
  ]);
  expect(await talk("world", "out")).toBe("silent");
  expect(await talk("world", "in")).toBe("answered");
});

test("a network that is closed takes the flows along that it had let through", async () => {
  await world.agent("app1").hold("reach", to("10.20.0.11", 80));
  await world.agent("web2").hold("world", to("192.0.2.1", 80));
  await world.agent("world").hold("published", to("198.51.100.1", 80));
  const closed = both.replace(", reach: [front]", "");
  expect(await change(await desiredOf(closed))).toEqual(["cut 1 flow of web1"]);
  expect(await talk("app1", "reach")).toBe("silent");
  expect(await talk("web2", "world")).toBe("answered");
  const isolated = closed.replace("front: { mode: nat }", "front: { mode: isolated }");
  expect(await change(await desiredOf(isolated))).toEqual(["cut 1 flow of web2"]);
  expect(await talk("web2", "world")).toBe("silent");
  expect(await talk("world", "published")).toBe("answered");
});

test("datagrams sent before a publication began reach it once it stands", async () => {
  const target = ["198.51.100.1", 9100] as const;
  expect(await datagram("world", 5021, target)).not.toBe("answered");
  const more = web1("{ ports: [udp/9100:9000] }") + web2;
  expect(await change(await desiredOf(policy(more)))).toContainEqual("cut 1 flow of web1 udp/9100");
  expect(await datagram("world", 5021, target)).toBe("answered");
});

test("what an earlier process published and nobody wants any more is known from the kernel", async () => {
  await world.agent("world").hold("left over", to("198.51.100.1", 80));
  await world.agent("world").hold("kept", to("198.51.100.1", 8081));
  const cut = await change(await desiredOf(policy(web2)), formerOf(tables));
  expect(cut).toEqual(["cut 1 flow of web1 tcp/80"]);
  expect(await talk("world", "left over")).toBe("silent");
  expect(await talk("world", "kept")).toBe("answered");
});

test("ten thousand publications are removed with their flows, and ten thousand others keep theirs", async () => {
  const count = 5000;
  const ports = (first: number) =>
    Array.from({ length: count }, (_, i) => `udp/${first + i}:9`).join(", ");
  const kept = `  web2: { publish: [{ ports: [${ports(30_000)}] }] }\n`;
  await change(await desiredOf(policy(web1(`{ ports: [${ports(20_000)}] }`) + kept)));
  for (const host of ["198.51.100.1", "2001:db8:1::1"]) {
    await world.agent("world").spray(host, 20_000, count);
    await world.agent("world").spray(host, 30_000, count);
  }
  const bystanders = await flowIds((port) => port < 30_000);
  expect(await flowIds()).toHaveLength(4 * count);
  expect(bystanders).toHaveLength(2 * count);

  const desired = await desiredOf(policy(kept));
  const started = performance.now();
  const cut = await change(desired);
  const wholeMs = performance.now() - started;
  expect(cut).toHaveLength(count);
  expect(await flowIds()).toEqual(bystanders);
  console.log(
    `${2 * count} publications removed in ${wholeMs.toFixed(0)} ms, of that ${cutMs.toFixed(0)} ms for cutting ${2 * count} flows`,
  );
});
