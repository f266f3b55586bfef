import { rmSync } from "node:fs";
import { join } from "node:path";
import { startWorld } from "../lab/world.ts";
import { clearRules, makeBenchWorld } from "./bench-world.ts";
import { RunningDaemon } from "./daemon-program.ts";
import { FilterDriver, filter, libvirtRules } from "./filter-driver.ts";
import { domainXml, type Fleet, makeFleet } from "./fleet.ts";
import type { BenchRow } from "./report.ts";
import { putFile } from "./scale.ts";
import { median, timed } from "./statistics.ts";

const sizes = [1, 100, 1000];
const rounds = 10;
const roundsOfLibvirt = 3;

/** What it costs to filter one nic more. */
export async function filterNics(): Promise<BenchRow> {
  const ours: number[] = [];
  let cold = NaN;
  for (const size of sizes) {
    const times = await virtwallTimes({ ...makeFleet(size, 0), filter });
    ours.push(median(times.more));
    cold = times.cold;
  }
  const theirs = await libvirtTimes();
  return {
    name: "filter-nics",
    title: `One nic more with ${filter}, by the number of nics that have it already`,
    columns: [...sizes.map((size) => `ms at ${size}`), `ms, ${sizes.at(-1)} cold`],
    results: [
      { who: "virtwall, a guest's XML to the kernel's answer", figures: [...ours, cold] },
      { who: "libvirt 9, a binding more", figures: [...theirs, NaN] },
    ].map((result, i) => ({ ...result, isReference: i === 0 })),
    note:
      `Medians of ${rounds} rounds, libvirt's of ${roundsOfLibvirt}. Of virtwall's time 5 ms are waited for more words, of libvirt's about 15 ms are virsh's. ` +
      "cold: from the start of a daemon to its ready. libvirt's driver binds one nic; the rules of those that are there already are copies of what it wrote for one, as binding them would take it hours.",
  };
}

async function virtwallTimes(fleet: Fleet): Promise<{ more: number[]; cold: number }> {
  const world = await makeBenchWorld(fleet);
  const daemon = await RunningDaemon.start(world, fleet, "owner");
  const more: number[] = [];
  try {
    const guest = fleet.real;
    const file = join(daemon.folder, "domains", `${guest.name}.xml`);
    for (let round = 0; round < rounds; round++) {
      await daemon.applies(() => rmSync(file));
      more.push(await daemon.applies(() => putFile(file, domainXml(guest))));
    }
    return { more, cold: daemon.readyMs };
  } finally {
    await daemon.stop();
    await clearRules(world);
    await world.close();
  }
}

/** With so many nics as its driver itself would take hours to bind: all but one are rules like those that it wrote for one. */
async function libvirtTimes(): Promise<number[]> {
  const world = await startWorld();
  try {
    const driver = await FilterDriver.start(world);
    const recorded = await driver.recordRules();
    const times: number[] = [];
    for (const size of sizes) {
      const { real, guests } = makeFleet(size + 1, 0);
      const others = guests.filter((guest) => guest !== real);
      await world.must(["ebtables-restore"], { input: libvirtRules(recorded, others) });
      await world.must(["ip", "tuntap", "add", real.tap, "mode", "tap"]);
      const taken: number[] = [];
      for (let round = 0; round < roundsOfLibvirt; round++) {
        if (round > 0) await driver.unbind(real);
        taken.push(await timed(() => driver.bind(real)));
      }
      times.push(median(taken));
      await driver.unbind(real);
      await world.must(["ip", "link", "del", real.tap]);
    }
    return times;
  } finally {
    await world.stop();
  }
}
