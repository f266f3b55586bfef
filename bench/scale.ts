import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BenchWorld, clearRules, makeBenchWorld } from "./bench-world.ts";
import { RunningDaemon } from "./daemon-program.ts";
import { bridge, domainXml, type Fleet, leaseEntries, makeFleet } from "./fleet.ts";
import { Program, run } from "./program.ts";
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

/** What a change costs a daemon with few, many and very many guests: from the file that tells of it to the kernel's own word on it. */
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
      "from the change of libvirt's word to the kernel's event of the change, of which 15 ms are waited for more words. MB: the daemon's memory at the end.",
  };
}

async function measure(world: BenchWorld, fleet: Fleet): Promise<Figures> {
  const first = await RunningDaemon.start(world, fleet, "owner");
  const cold = first.readyMs;
  const second = await first.restart();
  const again = second.readyMs;
  const kernel = new KernelEvents(world);
  try {
    await kernel.listening();
    const times = await oneByOne(second.folder, fleet, kernel);
    const allStopped = await stopAll(second.folder, fleet, kernel);
    return { cold, again, ...times, allStopped, megabytes: second.residentMegabytes() };
  } finally {
    await kernel.stop();
    await second.stop();
    await clearRules(world);
  }
}

async function oneByOne(
  folder: string,
  fleet: Fleet,
  kernel: KernelEvents,
): Promise<Pick<Figures, "started" | "stopped" | "leased">> {
  const times = { started: [], stopped: [], leased: [] } as Record<
    "started" | "stopped" | "leased",
    number[]
  >;
  for (let round = 0; round < rounds; round++) {
    const guest = fleet.guests[Math.floor((round * fleet.guests.length) / rounds)] ?? fleet.real;
    const file = join(folder, "domains", `${guest.name}.xml`);
    const gone = `delete element bridge virtwall taps { "${guest.tap}" }`;
    times.stopped.push(await kernel.after(() => rmSync(file), gone));
    const there = `add element bridge virtwall taps { "${guest.tap}" }`;
    times.started.push(await kernel.after(() => putFile(file, domainXml(guest)), there));
    const moved = { ...guest, address: guest.address.replace(/\d+$/, `${230 + round}`) };
    const guests = fleet.guests.map((each) => (each === guest ? moved : each));
    const leases = join(folder, "leases", `${bridge}.status`);
    const published = `add element inet virtwall published_guests4 { ${moved.address} }`;
    times.leased.push(
      await kernel.after(() => putFile(leases, JSON.stringify(leaseEntries(guests))), published),
    );
    const back = `add element inet virtwall published_guests4 { ${guest.address} }`;
    await kernel.after(() => putFile(leases, JSON.stringify(leaseEntries(fleet.guests))), back);
  }
  return times;
}

function stopAll(folder: string, fleet: Fleet, kernel: KernelEvents): Promise<number> {
  const last = fleet.guests.at(-1) ?? fleet.real;
  return kernel.after(() => {
    for (const { name } of fleet.guests) rmSync(join(folder, "domains", `${name}.xml`));
  }, `delete element bridge virtwall taps { "${last.tap}" }`);
}

/** As whoever writes such files should: never half. */
function putFile(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

/** The kernel's own word on each change of the ruleset. */
class KernelEvents {
  readonly #world: BenchWorld;
  readonly #program: Program;
  #heard = 0;

  constructor(world: BenchWorld) {
    this.#world = world;
    this.#program = new Program(world.host, ["nft", "monitor", "elements"]);
  }

  async listening(): Promise<void> {
    // nft says nothing until something happens; it is made to happen until nft says so.
    const happen = (): Promise<string> =>
      run(this.#world.host, [
        "sh",
        "-c",
        "nft 'add table ip probe; add set ip probe s { type mark; elements = { 1 } }'; nft delete table ip probe",
      ]);
    while (!this.#program.output.includes("ip probe")) {
      await happen();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Milliseconds from the deed to the event whose text holds the words. */
  async after(deed: () => void, words: string): Promise<number> {
    this.#heard = this.#program.output.length;
    return timed(async () => {
      deed();
      await this.#program.said(words, { after: this.#heard });
    });
  }

  async stop(): Promise<void> {
    await this.#program.stop();
  }
}
