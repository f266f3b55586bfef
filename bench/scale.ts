import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BenchWorld, clearRules, makeBenchWorld } from "./bench-world.ts";
import { RunningDaemon } from "./daemon-program.ts";
import { bridge, domainXml, type Fleet, leaseEntries, makeFleet } from "./fleet.ts";
import { run } from "./program.ts";
import { timed } from "./publications.ts";
import type { BenchRow } from "./report.ts";
import { median, quantile } from "./statistics.ts";

const sizes = [10, 100, 1000];
const publicationsEach = 10;
const rounds = 20;

interface Figures {
  readonly cold: number;
  readonly again: number;
  readonly started: number[];
  readonly stopped: number[];
  readonly leased: number[];
  readonly allStopped: number;
  readonly megabytes: number;
}

/** What a change costs a daemon with few, many and very many guests: from the file that tells of it to the daemon's word that the kernel has taken it. */
export async function scale(): Promise<BenchRow> {
  const measured: { size: number; figures: Figures }[] = [];
  for (const size of sizes) {
    const fleet = makeFleet(size, publicationsEach);
    const world = await makeBenchWorld(fleet);
    try {
      measured.push({ size, figures: await measure(world, fleet) });
    } finally {
      await world.close();
    }
  }
  return {
    name: "scale",
    title: `A daemon with ${sizes.join(", ")} guests of ${publicationsEach} publications each`,
    columns: [
      "cold ms",
      "again ms",
      "start p50",
      "p99",
      "stop p50",
      "p99",
      "lease p50",
      "p99",
      "all stop ms",
      "MB",
    ],
    results: measured.map(({ size, figures }) => ({
      who: `${size} guests`,
      figures: [
        figures.cold,
        figures.again,
        ...[figures.started, figures.stopped, figures.leased].flatMap((times) => [
          median(times),
          quantile(times, 0.99),
        ]),
        figures.allStopped,
        figures.megabytes,
      ],
      isReference: false,
    })),
    note:
      `cold, again: from the start of the daemon to its ready, with an empty kernel and with one that holds it all. Others, ${rounds} times each: ` +
      "from the change of libvirt's word to the kernel's answer, of which 15 ms are waited for more words. MB: the daemon's memory at the end.",
  };
}

async function measure(world: BenchWorld, fleet: Fleet): Promise<Figures> {
  const first = await RunningDaemon.start(world, fleet, "owner");
  const cold = first.readyMs;
  const second = await first.restart();
  const again = second.readyMs;
  try {
    const times = await oneByOne(second, fleet);
    const allStopped = await stopAll(second, fleet);
    const megabytes = second.residentMegabytes();
    const left = await run(world.host, ["nft", "list", "set", "bridge", "virtwall", "taps"]);
    if (left.includes("elements")) throw new Error(`taps of stopped guests are left: ${left}`);
    return { cold, again, ...times, allStopped, megabytes };
  } finally {
    await second.stop();
    await clearRules(world);
  }
}

async function oneByOne(
  daemon: RunningDaemon,
  fleet: Fleet,
): Promise<Pick<Figures, "started" | "stopped" | "leased">> {
  const times = { started: [], stopped: [], leased: [] } as Record<
    "started" | "stopped" | "leased",
    number[]
  >;
  const { folder } = daemon;
  const leases = join(folder, "leases", `${bridge}.status`);
  const putLeases = (guests: Fleet["guests"]) => (): void =>
    putFile(leases, JSON.stringify(leaseEntries(guests)));
  for (let round = 0; round < rounds; round++) {
    const guest = fleet.guests[Math.floor((round * fleet.guests.length) / rounds)] ?? fleet.real;
    const file = join(folder, "domains", `${guest.name}.xml`);
    times.stopped.push(await daemon.applies(() => rmSync(file)));
    times.started.push(await daemon.applies(() => putFile(file, domainXml(guest))));
    const moved = { ...guest, address: guest.address.replace(/\d+$/, `${230 + round}`) };
    const guests = fleet.guests.map((each) => (each === guest ? moved : each));
    times.leased.push(await daemon.applies(putLeases(guests)));
    await daemon.applies(putLeases(fleet.guests));
  }
  return times;
}

/** Until nothing of them is left: the folder may be read in the midst of it. */
function stopAll(daemon: RunningDaemon, fleet: Fleet): Promise<number> {
  const last = fleet.guests.toSorted((a, b) => (a.name < b.name ? -1 : 1)).at(-1) ?? fleet.real;
  return timed(async () => {
    for (const { name } of fleet.guests) {
      if (name !== last.name) rmSync(join(daemon.folder, "domains", `${name}.xml`));
    }
    await daemon.applies(() => rmSync(join(daemon.folder, "domains", `${last.name}.xml`)));
  });
}

/** As whoever writes such files should: never half. */
export function putFile(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}
