import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clearRules, makeBenchWorld } from "./bench-world.ts";
import { commandOnHost } from "./cold-apply.ts";
import { hostAddress, makeFleet, policyText, writeInventory } from "./fleet.ts";
import { timed } from "./publications.ts";
import type { BenchRow } from "./report.ts";
import { median } from "./statistics.ts";

const rounds = 5;

/** What a question costs on a small and on a big host: the whole command, that reads libvirt's XML and all rules first. */
export async function explain(): Promise<BenchRow> {
  const results: BenchRow["results"][number][] = [];
  for (const size of [10, 1000]) {
    results.push({ who: `${size} guests`, figures: await measure(size), isReference: false });
  }
  return {
    name: "explain",
    title: "virtwall explain on a host with 10 publications a guest",
    columns: ["publication ms", "guest to world ms"],
    results,
    note: `Medians of ${rounds} runs of the command.`,
  };
}

async function measure(size: number): Promise<number[]> {
  const fleet = makeFleet(size, 10);
  const world = await makeBenchWorld(fleet);
  const folder = mkdtempSync(join(tmpdir(), "virtwall-bench-"));
  try {
    writeInventory(fleet, folder);
    writeFileSync(join(folder, "policy.yaml"), policyText(fleet, fleet.publications));
    await commandOnHost(world, folder, "apply");
    const last = fleet.publications.filter(({ guest }) => guest === fleet.real).at(-1);
    const questions = [
      ["world", `${hostAddress}:${last?.port ?? 0}`],
      [`guest:${fleet.real.name}`, "world:443"],
    ];
    const ask = (words: readonly string[]) =>
      commandOnHost(world, folder, "explain", "tcp", ...words);
    const medians: number[] = [];
    for (const words of questions) {
      const times: number[] = [];
      for (let round = 0; round < rounds; round++) {
        times.push(await timed(() => ask(words)));
      }
      medians.push(median(times));
    }
    return medians;
  } finally {
    await clearRules(world);
    rmSync(folder, { recursive: true, force: true });
    await world.close();
  }
}
