import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BenchWorld, clearRules, makeBenchWorld } from "./bench-world.ts";
import { RunningDaemon } from "./daemon-program.ts";
import {
  bridge,
  domainXml,
  type Fleet,
  guestPort,
  hostAddress,
  leaseEntries,
  makeFleet,
} from "./fleet.ts";
import { run } from "./program.ts";
import type { BenchRow } from "./report.ts";
import { median, quantile, timed } from "./statistics.ts";

const sizes = [10, 100, 1000];
const publicationsEach = 10;
const rounds = 20;
/** Of commands, which are programs to start. */
const commandRounds = 5;
/** Published for none of the fleet. */
const freePort = 60_000;

interface Figures {
  readonly cold: number;
  readonly again: number;
  readonly started: number[];
  readonly stopped: number[];
  readonly leased: number[];
  readonly published: number[];
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
      "publish p50",
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
        median(figures.published),
        figures.allStopped,
        figures.megabytes,
      ],
      isReference: false,
    })),
    note:
      `cold, again: from the start of the daemon to its ready, with an empty kernel and with one that holds it all. Others, ${rounds} times each: ` +
      `from the change of libvirt's word to the kernel's answer, of which 5 ms are waited for more words. publish: the whole command virtwall publish add, ${commandRounds} times. ` +
      "MB: the daemon's memory with all guests.",
  };
}

async function measure(world: BenchWorld, fleet: Fleet): Promise<Figures> {
  const first = await RunningDaemon.start(world, fleet, "owner");
  const cold = first.readyMs;
  const second = await first.restart();
  const again = second.readyMs;
  try {
    const times = await oneByOne(second, fleet);
    const published = await publishAndTakeBack(second, fleet);
    const megabytes = second.residentMegabytes();
    const allStopped = await stopAll(world, second, fleet);
    return { cold, again, ...times, published, allStopped, megabytes };
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

/** As an admin changes the policy of a guest, one after another. */
async function publishAndTakeBack(daemon: RunningDaemon, fleet: Fleet): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < commandRounds; round++) {
    const guest = fleet.guests[Math.floor((round * fleet.guests.length) / commandRounds)];
    const words = [guest?.name ?? "", `tcp/${freePort}:${guestPort}`, "--address", hostAddress];
    times.push(await timed(() => daemon.command("publish", "add", ...words)));
    await daemon.command("publish", "remove", ...words);
  }
  return times;
}

/** Until nothing of them is left in the kernel: the folder may be read in the midst of it. */
function stopAll(world: BenchWorld, daemon: RunningDaemon, fleet: Fleet): Promise<number> {
  const until = performance.now() + 20_000;
  return timed(async () => {
    for (const { name } of fleet.guests) rmSync(join(daemon.folder, "domains", `${name}.xml`));
    for (;;) {
      const left = await run(world.host, ["nft", "list", "set", "bridge", "virtwall", "taps"]);
      if (!left.includes("elements")) return;
      if (performance.now() > until) throw new Error(`taps of stopped guests are left: ${left}`);
    }
  });
}

/** As whoever writes such files should: never half. */
export function putFile(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}
