import { GateFlows } from "../src/edge/nft/gate-flows.ts";
import { cutFlows, planCut } from "../src/reconcile/cut-flows.ts";
import { planTables } from "../src/reconcile/plan-tables.ts";
import { benchTool, type BenchWorld, clearRules, makeBenchWorld } from "./bench-world.ts";
import { type Fleet, hostAddress, makeFleet } from "./fleet.ts";
import { type RunningGate, startGate } from "./gate-program.ts";
import { run } from "./program.ts";
import type { BenchResult, BenchRow } from "./report.ts";
import { median, timed } from "./statistics.ts";
import { compiledFleet, emptied } from "./virtwall.ts";

const rounds = 3;
/** Processes of the classic way that are really started; its time is counted up from them. */
const sampled = 50;

/** Flows of publications that are closed and of others that stay, one each. */
interface Count {
  readonly doomed: number;
  readonly bystanders: number;
}

interface Run {
  readonly ms: number;
  readonly cut: Count;
}

/** Ten thousand publications with a flow each are removed, while as many others stay. */
export async function flows(): Promise<BenchRow> {
  const fleet = makeFleet(200, 100);
  const world = await makeBenchWorld(fleet);
  const ways = { whole: [] as Run[], virtwall: [] as Run[], each: [] as Run[], all: [] as Run[] };
  try {
    for (let round = 0; round < rounds; round++) {
      const gate = await startGate(world);
      const [whole, cut] = await throughGate(world, fleet, gate);
      ways.whole.push(whole);
      ways.virtwall.push(cut);
      await gate.stop();
      await clearRules(world);
      await run(world.host, ["conntrack", "-F"]);
      // The classic ways are measured beside a ruleset that goes on to track connections.
      const bystander = await startGate(world);
      await load(world, fleet, bystander);
      ways.each.push(await oneByOne(world, fleet));
      ways.all.push(await everything(world, fleet));
      await bystander.stop();
      await clearRules(world);
      await run(world.host, ["conntrack", "-F"]);
    }
  } finally {
    await world.close();
  }
  const half = fleet.publications.length / 2;
  return {
    name: "flows",
    title: `${half} publications closed, with a flow each; ${half} others stay`,
    columns: ["ms", "flows left", "bystanders cut"],
    results: [
      result("virtwall, the flows found and cut", ways.virtwall, true),
      result("  with the ruleset planned and committed before", ways.whole, false),
      result("conntrack -D, a process a publication", ways.each, false),
      result("conntrack -F, all flows of the host", ways.all, false),
    ],
    note:
      `Medians of ${rounds} rounds. The third is counted up from ${sampled} processes: each reads all flows of the host, and cuts those of ` +
      `one port. "Flows left" are those of the closed publications.`,
  };
}

function result(who: string, runs: readonly Run[], isReference: boolean): BenchResult {
  const figures = [
    median(runs.map(({ ms }) => ms)),
    median(runs.map(({ cut }) => cut.doomed)),
    median(runs.map(({ cut }) => cut.bystanders)),
  ];
  return { who, figures, isReference };
}

async function throughGate(
  world: BenchWorld,
  fleet: Fleet,
  gate: RunningGate,
): Promise<readonly [Run, Run]> {
  const before = await load(world, fleet, gate);
  const start = await countFlows(world, fleet);
  const started = performance.now();
  const after = compiledFleet(fleet, fleet.publications.slice(halfOf(fleet)));
  const { script } = planTables(before.compiled.tables, after.compiled.tables);
  await gate.client.ask({ kind: "commit", script });
  const cutMs = await timed(async () => {
    const plan = planCut(before, after);
    if (plan !== undefined) await cutFlows(new GateFlows(gate.client), plan);
  });
  const ms = performance.now() - started;
  const cut = await difference(world, fleet, start);
  return [
    { ms, cut },
    { ms: cutMs, cut },
  ];
}

/** The whole fleet's rules, and a flow to every publication. */
async function load({ client, host }: BenchWorld, fleet: Fleet, gate: RunningGate) {
  const desired = compiledFleet(fleet, fleet.publications);
  const { tables } = desired.compiled;
  const { script } = planTables(emptied(tables), tables);
  await gate.client.ask({ kind: "commit", script });
  const first = String(fleet.publications[0]?.port);
  const knock = benchTool("knock.pl", hostAddress, first, fleet.publications.length);
  await run(host, ["conntrack", "-F"]);
  await run(client, knock);
  return desired;
}

async function oneByOne(world: BenchWorld, fleet: Fleet): Promise<Run> {
  const start = await countFlows(world, fleet);
  const ports = fleet.publications.slice(0, sampled).map(({ port }) => port);
  const script = ports
    .map((port) => `conntrack -D -p tcp --orig-dst ${hostAddress} --dport ${port}`)
    .join("\n");
  const ms = await timed(() => run(world.host, ["sh"], `exec 2>&1 >&-\n${script}\ntrue\n`));
  const { bystanders, doomed } = await difference(world, fleet, start);
  const factor = halfOf(fleet) / sampled;
  const left = halfOf(fleet) - (halfOf(fleet) - doomed) * factor;
  return { ms: ms * factor, cut: { doomed: Math.max(0, Math.round(left)), bystanders } };
}

async function everything(world: BenchWorld, fleet: Fleet): Promise<Run> {
  const start = await countFlows(world, fleet);
  const ms = await timed(() => run(world.host, ["conntrack", "-F"]));
  return { ms, cut: await difference(world, fleet, start) };
}

/** What is left of the doomed, and what is gone of the bystanders. */
async function difference(world: BenchWorld, fleet: Fleet, start: Count): Promise<Count> {
  const now = await countFlows(world, fleet);
  return { doomed: now.doomed, bystanders: start.bystanders - now.bystanders };
}

async function countFlows(world: BenchWorld, fleet: Fleet): Promise<Count> {
  const listing = await run(world.host, ["conntrack", "-L"]);
  const firstKept = fleet.publications[halfOf(fleet)]?.port ?? 0;
  const ports = [...listing.matchAll(/ dport=(\d+) .*? dport=/g)].map(([, port]) => Number(port));
  const bystanders = ports.filter((port) => port >= firstKept).length;
  return { doomed: ports.length - bystanders, bystanders };
}

function halfOf(fleet: Fleet): number {
  return fleet.publications.length / 2;
}
