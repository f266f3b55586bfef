import { diffTables } from "../src/nft/diff.ts";
import { type BenchWorld, clearRules, makeBenchWorld } from "./bench-world.ts";
import { type Fleet, makeFleet, peers } from "./fleet.ts";
import { RunningDaemon } from "./daemon-program.ts";
import { type RunningGate, startGate } from "./gate-program.ts";
import { run } from "./program.ts";
import type { BenchRow } from "./report.ts";
import { median, timed } from "./statistics.ts";
import { compiledTables, emptied } from "./virtwall.ts";

const rounds = 5;

interface Times {
  readonly on: number[];
  readonly off: number[];
}

type FiveTimes = [Times, Times, Times, Times, Times];

const noTimes = (): Times => ({ on: [], off: [] });

interface Phases {
  readonly whole: Times;
  readonly commit: Times;
}

/** A hundred publications on and off again, while nothing else changes. */
export async function publications(): Promise<BenchRow> {
  const fleet = makeFleet(100, 1);
  const world = await makeBenchWorld(fleet);
  const [gate, commit, nft, daemon, hook] = Array.from({ length: 5 }, noTimes) as FiveTimes;
  try {
    for (let round = 0; round < rounds; round++) {
      const running = await startGate(world);
      await throughGate(running, fleet, { whole: gate, commit });
      await running.stop();
      await throughNft(world, fleet, { whole: nft, commit: noTimes() });
      await clearRules(world);
      await throughDaemon(world, fleet, daemon);
      await clearRules(world);
      await throughHookScript(world, fleet, hook);
      await clearRules(world);
    }
  } finally {
    await world.close();
  }
  return {
    name: "publications",
    title: `${fleet.publications.length} publications on, then off`,
    columns: ["on ms", "off ms"],
    results: [
      { who: "virtwall, policy text to kernel", times: gate, isReference: true },
      { who: "  of that, the gate's transaction", times: commit, isReference: false },
      { who: "virtwall, the same without a gate (nft)", times: nft, isReference: false },
      { who: "virtwall apply, to a running daemon", times: daemon, isReference: false },
      { who: "hook script, an iptables a rule", times: hook, isReference: false },
    ].map(({ who, times, isReference }) => ({
      who,
      figures: [median(times.on), median(times.off)],
      isReference,
    })),
    note: `Medians of ${rounds} rounds. virtwall's time begins with the texts of the policy and of libvirt: parsed, compiled, compared, tried and committed as one transaction.`,
  };
}

async function throughGate({ client }: RunningGate, fleet: Fleet, times: Phases): Promise<void> {
  const commit = async (script: string): Promise<unknown> =>
    await client.ask({ kind: "commit", script });
  const before = compiledTables(fleet, []);
  await commit(diffTables(emptied(before), before));
  await onAndOff(fleet, times, commit);
}

async function throughNft({ host }: BenchWorld, fleet: Fleet, times: Phases): Promise<void> {
  const commit = (script: string): Promise<string> => run(host, ["nft", "-f", "-"], script);
  await commit(diffTables([], compiledTables(fleet, [])));
  await onAndOff(fleet, times, commit);
}

async function onAndOff(
  fleet: Fleet,
  times: Phases,
  commit: (script: string) => Promise<unknown>,
): Promise<void> {
  const without = compiledTables(fleet, []);
  let current = without;
  const change = async (wanted: Fleet["publications"], verb: keyof Times): Promise<void> => {
    const started = performance.now();
    const desired = compiledTables(fleet, wanted);
    const script = diffTables(current, desired);
    times.commit[verb].push(await timed(() => commit(script)));
    times.whole[verb].push(performance.now() - started);
    current = desired;
  };
  await change(fleet.publications, "on");
  await change([], "off");
}

async function throughDaemon(world: BenchWorld, fleet: Fleet, times: Times): Promise<void> {
  const daemon = await RunningDaemon.start(world, { ...fleet, publications: [] }, "owner");
  times.on.push(await timed(() => daemon.publish(fleet, fleet.publications)));
  times.off.push(await timed(() => daemon.publish(fleet, [])));
  await daemon.stop();
}

async function throughHookScript(world: BenchWorld, fleet: Fleet, times: Times): Promise<void> {
  await run(world.host, ["iptables-restore"], peers.iptablesRestore([]));
  const hook = (verb: "-I" | "-D"): Promise<string> =>
    run(world.host, ["bash"], peers.hookScript(fleet.publications, verb));
  times.on.push(await timed(() => hook("-I")));
  times.off.push(await timed(() => hook("-D")));
}
