import { rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startLibvirtd } from "../lab/libvirt.ts";
import { startWorld, type World } from "../lab/world.ts";
import { clearRules, makeBenchWorld } from "./bench-world.ts";
import { RunningDaemon } from "./daemon-program.ts";
import { domainXml, type Fleet, type FleetGuest, makeFleet } from "./fleet.ts";
import { timed } from "./publications.ts";
import type { BenchRow } from "./report.ts";
import { putFile } from "./scale.ts";
import { median } from "./statistics.ts";

/** Of every nic. */
export const filter = "clean-traffic";
const sizes = [1, 20, 100, 1000];
const rounds = 10;
/** libvirt takes a second for each nic, and more the more there are: beyond this the bench would never end. */
const mostOfLibvirt = 20;
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
  const unmeasured = sizes.slice(theirs.length).map(() => NaN);
  return {
    name: "filter-nics",
    title: `One nic more with ${filter}, by the number of nics that have it already`,
    columns: [...sizes.map((size) => `ms at ${size}`), `ms, ${sizes.at(-1)} cold`],
    results: [
      { who: "virtwall, a guest's XML to the kernel's answer", figures: [...ours, cold] },
      { who: "libvirt 9, a binding more", figures: [...theirs, ...unmeasured, NaN] },
    ].map((result, i) => ({ ...result, isReference: i === 0 })),
    note:
      `Medians of ${rounds} rounds, libvirt's of ${roundsOfLibvirt}. Of virtwall's time 15 ms are waited for more words, of libvirt's about 15 ms are virsh's. ` +
      `cold: from the start of a daemon to its ready. libvirt was measured up to ${mostOfLibvirt} nics: each takes it longer than the one before.`,
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

async function libvirtTimes(): Promise<number[]> {
  const world = await startWorld();
  const { guests } = makeFleet(mostOfLibvirt + 1, 0);
  try {
    await startLibvirtd(world);
    for (const { tap } of guests) await world.must(["ip", "tuntap", "add", tap, "mode", "tap"]);
    const times: number[] = [];
    for (const [index, guest] of guests.entries()) {
      const isMeasured = sizes.includes(index);
      const taken: number[] = [];
      for (let round = 0; round < (isMeasured ? roundsOfLibvirt : 1); round++) {
        if (round > 0) await unbind(world, guest);
        taken.push(await timed(() => bind(world, guest)));
      }
      if (isMeasured) times.push(median(taken));
    }
    return times;
  } finally {
    await world.stop();
  }
}

const virsh = ["virsh", "--quiet", "-c", "nwfilter:///system"];

async function bind(world: World, guest: FleetGuest): Promise<void> {
  const file = join(world.folder, `${guest.tap}.xml`);
  await writeFile(file, bindingXml(guest));
  await world.must([...virsh, "nwfilter-binding-create", file], { timeoutMs: 60_000 });
}

async function unbind(world: World, { tap }: FleetGuest): Promise<void> {
  await world.must([...virsh, "nwfilter-binding-delete", tap], { timeoutMs: 60_000 });
}

/** The filter on a nic, for libvirt's driver. */
export function bindingXml({ name, tap, mac, address }: FleetGuest): string {
  return `<filterbinding>
  <owner><name>${name}</name><uuid>0a0f2a2c-5d0e-4f4b-9d5c-${mac.replaceAll(":", "")}</uuid></owner>
  <portdev name='${tap}'/>
  <mac address='${mac}'/>
  <filterref filter='${filter}'><parameter name='IP' value='${address}'/></filterref>
</filterbinding>
`;
}
