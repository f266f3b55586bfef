import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diffTables } from "../src/nft/diff.ts";
import { type BenchWorld, clearRules, distFolder, makeBenchWorld } from "./bench-world.ts";
import { type Fleet, makeFleet, peers, policyText, writeInventory } from "./fleet.ts";
import { startGate } from "./gate-program.ts";
import { run } from "./program.ts";
import type { BenchRow } from "./report.ts";
import { median, timed } from "./statistics.ts";
import { compiledTables, emptied } from "./virtwall.ts";

const rounds = 3;

/** From nothing to the whole ruleset of a big host. */
export async function coldApply(): Promise<BenchRow> {
  const fleet = makeFleet(1000, 10);
  const world = await makeBenchWorld(fleet);
  const times = { texts: [], gate: [], command: [], nft: [], iptables: [] } as Record<
    "texts" | "gate" | "command" | "nft" | "iptables",
    number[]
  >;
  const folder = mkdtempSync(join(tmpdir(), "virtwall-bench-"));
  try {
    writeInventory(fleet, folder);
    writeFileSync(join(folder, "policy.yaml"), policyText(fleet, fleet.publications));
    for (let round = 0; round < rounds; round++) {
      const { texts, commit } = await throughGate(world, fleet);
      times.texts.push(texts);
      times.gate.push(texts + commit);
      // What the round before has saved of the policy spares its parsing.
      rmSync(join(folder, "state"), { recursive: true, force: true });
      times.command.push(await timed(() => commandOnHost(world, folder, "apply")));
      await clearRules(world);
      const { host } = world;
      const { publications } = fleet;
      times.nft.push(await timed(() => run(host, ["nft", "-f", "-"], peers.nft(publications))));
      await clearRules(world);
      const restore = peers.iptablesRestore(publications);
      times.iptables.push(await timed(() => run(host, ["iptables-restore"], restore)));
      await clearRules(world);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await world.close();
  }
  return {
    name: "cold-apply",
    title: `From nothing to ${fleet.guests.length} nics and ${fleet.publications.length} publications`,
    columns: ["ms"],
    results: [
      { who: "virtwall, texts to kernel in a running process", figures: [median(times.gate)] },
      { who: "  of that, texts to script", figures: [median(times.texts)] },
      { who: "virtwall apply, the whole command", figures: [median(times.command)] },
      { who: "nft -f, a dnat rule each", figures: [median(times.nft)] },
      { who: "iptables-restore, two rules each", figures: [median(times.iptables)] },
    ].map((result, i) => ({ ...result, isReference: i === 0 })),
    note: `Medians of ${rounds} rounds. The peers load a finished file, virtwall reads policy and libvirt's XML of every guest first; only virtwall's ruleset knows nics.`,
  };
}

async function throughGate(
  world: BenchWorld,
  fleet: Fleet,
): Promise<{ texts: number; commit: number }> {
  const gate = await startGate(world);
  const started = performance.now();
  const tables = compiledTables(fleet, fleet.publications);
  const script = diffTables(emptied(tables), tables);
  const texts = performance.now() - started;
  const commit = await timed(() => gate.client.ask({ kind: "commit", script }));
  await gate.stop();
  return { texts, commit };
}

/** A command of virtwall with the policy and inventory of a folder. */
export function commandOnHost(
  world: BenchWorld,
  folder: string,
  ...words: readonly string[]
): Promise<string> {
  return run(world.host, [
    process.execPath,
    join(distFolder, "cli.js"),
    "--policy",
    join(folder, "policy.yaml"),
    "--inventory",
    folder,
    "--state",
    join(folder, "state"),
    "--socket",
    join(folder, "virtwall.sock"),
    ...words,
  ]);
}
