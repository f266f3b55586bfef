import { beforeEach, expect, test } from "vitest";
import type { Address } from "../base/address.ts";
import { compile } from "../compile/compile.ts";
import { guest, inventory, lease, network, uplink } from "../compile/sample.fake.ts";
import type { Flow } from "../model/flow.ts";
import { parsePolicy } from "../parse/policy.ts";
import { FakeFirewalld } from "../ports/firewalld.fake.ts";
import { FakeFlows } from "../ports/flows.fake.ts";
import { FakeKernel } from "../ports/kernel.fake.ts";
import type { ForeignTable } from "../ports/kernel.ts";
import { FakeLinks } from "../ports/links.fake.ts";
import { FakeXtables } from "../ports/xtables.fake.ts";
import type { Desired } from "../reconcile/decide.ts";
import { Journal } from "./journal.ts";
import { Upkeep } from "./upkeep.ts";

const web = (port: number): Flow => ({
  key: `web ${port}`,
  protocol: "tcp",
  source: "192.0.2.7" as Address,
  destination: "198.51.100.1" as Address,
  port,
  answerer: "10.20.0.11" as Address,
  answererPort: port,
  isAnswered: true,
});

const filtering: ForeignTable = {
  family: "inet",
  name: "filter",
  chains: [{ name: "forward", hook: "forward", priority: 0, policy: "drop", rules: [] }],
};

let kernel: FakeKernel;
let flows: FakeFlows;
let journal: Journal;
let upkeep: Upkeep;

beforeEach(() => {
  [kernel, flows, journal] = [new FakeKernel(), new FakeFlows(), new Journal()];
  upkeep = newUpkeep(flows);
  flows.flows = [web(80), web(81)];
});

function newUpkeep(port?: FakeFlows): Upkeep {
  const [xtables, links] = [new FakeXtables(), new FakeLinks()];
  return new Upkeep({
    kernel,
    flows: port,
    xtables,
    firewalld: new FakeFirewalld(),
    links,
    journal,
  });
}

function publishing(...ports: readonly string[]): Desired {
  const text = `guests: { g1: { publish: [{ ports: [${ports.join()}] }] } }`;
  const { policy } = parsePolicy([{ file: "policy.yaml", text }]);
  const now = inventory({
    networks: [network("front")],
    guests: [guest(1, "front")],
    leases: [lease(1, "10.20.0.11", "br-front")],
    host: { interfaces: [uplink] },
  });
  return { policy, inventory: now, compiled: compile(policy, now) };
}

/** One round of the daemon, as far as flows are concerned. */
async function hold(desired: Desired, held = upkeep): Promise<readonly string[]> {
  kernel.willBecome(desired.compiled.tables);
  await held.holdTables(desired, { isNew: true });
  return held.endFlows(desired);
}

const events = () => journal.events.map(({ event, message }) => `${event}: ${message}`);

test("what a pass rule's commit took of the seal is put again, and nothing is sealed that may be another gate's", async () => {
  const desired = publishing("tcp/80");
  await hold(desired);
  await upkeep.holdOwnership();
  await upkeep.seal();
  const word = await kernel.readSeal();
  expect(word).toBeDefined();
  kernel.foreign = [filtering];
  await upkeep.holdPassRules(desired, { isNew: true });
  expect(await kernel.readSeal()).toBeUndefined();
  await expect.poll(() => kernel.readSeal()).toBe(word);
  await kernel.commit("");
  upkeep.forgetOwnership();
  await upkeep.holdOwnership();
  await upkeep.seal();
  expect(await kernel.readSeal()).toBeUndefined();
});

test("the flows of what is closed end, once, and the journal says which", async () => {
  await hold(publishing("tcp/80", "tcp/81"));
  const narrow = publishing("tcp/81");
  expect(await hold(narrow)).toEqual(["cut 1 flow of g1 tcp/80"]);
  expect(flows.flows).toEqual([web(81)]);
  expect(events()).toContain("flows-cut: cut 1 flow of g1 tcp/80");
  expect(await upkeep.endFlows(narrow)).toEqual([]);
  expect(flows.listings).toBe(1);
});

test("a cut that fails is made up for, also when something else was closed meanwhile", async () => {
  await hold(publishing("tcp/80", "tcp/81"));
  flows.failure = "the gate is gone";
  await expect(hold(publishing("tcp/81"))).rejects.toThrow("the gate is gone");
  flows.failure = undefined;
  expect(await hold(publishing())).toEqual(["cut 1 flow of g1 tcp/80", "cut 1 flow of g1 tcp/81"]);
  expect(flows.flows).toEqual([]);
});

test("what was published before the daemon came is known from the kernel", async () => {
  kernel.tables = publishing("tcp/80", "tcp/81").compiled.tables;
  expect(await hold(publishing("tcp/81"))).toEqual(["cut 1 flow of g1 tcp/80"]);
  expect(flows.flows).toEqual([web(81)]);
});

test("datagrams that came while another process had taken a publication away are led to it again", async () => {
  const desired = publishing("udp/53", "tcp/80");
  await hold(desired);
  const led = { ...web(53), protocol: "udp", isAnswered: false } as const;
  const lost = { ...led, key: "lost", answerer: led.destination };
  flows.flows = [lost, led, web(80)];
  kernel.change([]);
  kernel.willBecome(desired.compiled.tables);
  await upkeep.holdTables(desired, { isNew: false });
  expect(await upkeep.endFlows(desired)).toEqual(["cut 1 flow of g1 udp/53"]);
  expect(flows.flows).toEqual([led, web(80)]);
  expect(await upkeep.endFlows(desired)).toEqual([]);
});

test("where nobody can cut flows the journal says that they stay", async () => {
  const without = newUpkeep();
  await hold(publishing("tcp/80"), without);
  expect(events().join()).not.toContain("flows-stay");
  expect(await hold(publishing(), without)).toEqual([]);
  expect(events().join()).toContain("flows-stay");
});
