import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BenchWorld, clearRules, makeBenchWorld } from "./bench-world.ts";
import { commandOnHost } from "./cold-apply.ts";
import { RunningDaemon } from "./daemon-program.ts";
import { type Fleet, hostAddress, makeFleet, policyText, writeInventory } from "./fleet.ts";
import type { BenchRow } from "./report.ts";
import { median, timed } from "./statistics.ts";

const rounds = 5;

type Ask = (...words: readonly string[]) => Promise<unknown>;

/** What a question costs on a small and on a big host, beside a daemon and by a command that reads libvirt's XML and policy itself. */
export async function explain(): Promise<BenchRow> {
  const results: BenchRow["results"][number][] = [];
  for (const size of [10, 1000]) {
    const fleet = makeFleet(size, 10);
    const world = await makeBenchWorld(fleet);
    try {
      const figures = await besideDaemon(world, fleet);
      results.push({ who: `${size} guests`, figures, isReference: false });
      const alone = await withoutDaemon(world, fleet);
      results.push({ who: "  without a daemon", figures: alone, isReference: false });
    } finally {
      await world.close();
    }
  }
  return {
    name: "explain",
    title: "virtwall explain on a host with 10 publications a guest",
    columns: ["publication ms", "guest to world ms"],
    results,
    note: `Medians of ${rounds} runs of the whole command. The rules are the kernel's own each time; who the guests are tells the daemon, or else policy and libvirt's XML, which are then read first; YAML that was applied is not parsed again.`,
  };
}

async function besideDaemon(world: BenchWorld, fleet: Fleet): Promise<number[]> {
  const daemon = await RunningDaemon.start(world, fleet, "owner");
  try {
    return await measure(fleet, (...words) => daemon.command("explain", ...words));
  } finally {
    await daemon.stop();
    await clearRules(world);
  }
}

async function withoutDaemon(world: BenchWorld, fleet: Fleet): Promise<number[]> {
  const folder = mkdtempSync(join(tmpdir(), "virtwall-bench-"));
  try {
    writeInventory(fleet, folder);
    writeFileSync(join(folder, "policy.yaml"), policyText(fleet, fleet.publications));
    await commandOnHost(world, folder, "apply");
    return await measure(fleet, (...words) => commandOnHost(world, folder, "explain", ...words));
  } finally {
    await clearRules(world);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure({ publications, real }: Fleet, ask: Ask): Promise<number[]> {
  const last = publications.filter(({ guest }) => guest === real).at(-1);
  const questions = [
    ["world", `${hostAddress}:${last?.port ?? 0}`],
    [`guest:${real.name}`, "world:443"],
  ];
  const medians: number[] = [];
  for (const words of questions) {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++)
      times.push(await timed(() => ask("tcp", ...words)));
    medians.push(median(times));
  }
  return medians;
}
