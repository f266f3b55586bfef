import { execFileSync } from "node:child_process";
import { availableParallelism, loadavg, release } from "node:os";
import { join } from "node:path";
import { assertPrivateNamespace, benchFolder } from "./bench-world.ts";
import { coldApply } from "./cold-apply.ts";
import { explain } from "./explain.ts";
import { filterNics } from "./filter-nics.ts";
import { filterPath } from "./filter-path.ts";
import { firstPacket } from "./first-packet.ts";
import { flows } from "./flows.ts";
import { hook } from "./hook.ts";
import { publications } from "./publications.ts";
import { type BenchRow, type Machine, printRow, saveReport } from "./report.ts";
import { hostFirewallRestarts } from "./restarts.ts";
import { scale } from "./scale.ts";

const rows: Readonly<Record<string, () => Promise<BenchRow>>> = {
  restarts: hostFirewallRestarts,
  publications,
  "first-packet": firstPacket,
  "cold-apply": coldApply,
  flows,
  scale,
  hook,
  explain,
  "filter-nics": filterNics,
  "filter-path": filterPath,
};

function describeMachine(): Machine {
  const firstLine = (program: string): string =>
    execFileSync(program, ["--version"], { encoding: "utf8" }).split("\n")[0] ?? "";
  return {
    date: new Date().toISOString(),
    kernel: release(),
    nft: firstLine("nft"),
    iptables: firstLine("iptables"),
    node: process.version,
    processors: availableParallelism(),
    load: loadavg()[0] ?? 0,
  };
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !(name in rows));
  if (unknown.length > 0) {
    console.error(`no such row: ${unknown.join(", ")}; there are ${Object.keys(rows).join(", ")}`);
    return 2;
  }
  assertPrivateNamespace();
  const machine = describeMachine();
  console.log(
    `Linux ${machine.kernel}, ${machine.nft}, ${machine.iptables}, ${machine.processors} processors\n`,
  );
  if (machine.load > machine.processors / 2) {
    console.log(
      `This machine is busy (load ${machine.load.toFixed(1)}): trust no tail, and repeat.\n`,
    );
  }
  const finished: BenchRow[] = [];
  for (const [name, measure] of Object.entries(rows)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const row = await measure();
    console.log(printRow(row));
    finished.push(row);
  }
  if (names.length === 0) {
    saveReport(join(benchFolder, "results/latest.json"), machine, finished);
    console.log("saved: bench/results/latest.json");
  }
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
