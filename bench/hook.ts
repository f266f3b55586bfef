import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type BenchWorld, clearRules, makeBenchWorld } from "./bench-world.ts";
import { writeClassicHook } from "../lab/classic-hook.ts";
import { RunningDaemon } from "./daemon-program.ts";
import { domainXml, type Fleet, guestPort, hostAddress, makeFleet } from "./fleet.ts";
import { run } from "./program.ts";
import type { BenchRow } from "./report.ts";
import { median } from "./statistics.ts";

const rounds = 10;
/** libvirt has work of its own between two hooks. */
const pauseMs = 50;
const portCounts = [2, 20, 100] as const;
const guestCount = 10;

/** A program that libvirt runs at the start and at the stop of one guest. */
interface Hook {
  readonly who: string;
  readonly program: string;
  /** The namespace in which it changes rules by itself. */
  readonly namespace?: string;
  readonly path?: string;
  /** Called in place of start and stop. */
  readonly operation?: string;
}

/** What libvirt waits for when it starts a guest, and when it stops one. */
export async function hook(): Promise<BenchRow> {
  const figures = new Map<string, number[]>();
  for (const ports of portCounts) {
    const fleet = makeFleet(guestCount, ports);
    const world = await makeBenchWorld(fleet);
    try {
      for (const [who, { start, stopped }] of await measure(world, fleet)) {
        const before = figures.get(who) ?? [];
        figures.set(who, [...before, median(start), median(stopped)]);
      }
    } finally {
      await world.close();
    }
  }
  return {
    name: "hook",
    title: "One call of a hook, from its start to its end, with 2, 20 and 100 ports published",
    columns: portCounts.flatMap((ports) => [`${ports}: start ms`, `${ports}: stop ms`]),
    results: [...figures].map(([who, row], i) => ({ who, figures: row, isReference: i === 0 })),
    note: `Medians of ${rounds} rounds; ${guestCount} guests with as many ports each, one of them started and stopped. virtwall's hook ends when the kernel holds all of the guest's rules, the bare shell at once, without having done anything.`,
  };
}

interface Times {
  readonly start: number[];
  readonly stopped: number[];
}

async function measure(world: BenchWorld, fleet: Fleet): Promise<ReadonlyMap<string, Times>> {
  const folder = mkdtempSync(join(tmpdir(), "virtwall-hook-"));
  const daemon = await RunningDaemon.start(world, fleet, "owner");
  try {
    const ours = join(await daemon.installHooks(), "qemu.d/virtwall");
    const hooks: readonly Hook[] = [
      { who: "virtwall's hook", program: ours },
      { who: "  of that, its client alone", program: ours, operation: "nothing" },
      { who: "  where there is no perl", program: ours, path: pathWithoutPerl(folder) },
      { who: "shell that does nothing", program: bareHook(folder) },
      {
        who: "classic hook script, an iptables a rule",
        program: await classicHook(folder, fleet),
        namespace: world.guest,
      },
    ];
    const times = new Map<string, Times>();
    for (const { who } of hooks) times.set(who, { start: [], stopped: [] });
    // The classic script has nothing to take away the first time.
    for (const which of hooks) await startAgain(which, fleet.real);
    for (let round = 0; round < rounds; round++) {
      for (const which of hooks) {
        const { start, stopped } = await startAgain(which, fleet.real);
        times.get(which.who)?.start.push(start);
        times.get(which.who)?.stopped.push(stopped);
      }
      await checkPublished(world, fleet);
    }
    return times;
  } finally {
    await daemon.stop();
    await clearRules(world);
    await run(world.guest, ["nft", "flush", "ruleset"]);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startAgain(
  which: Hook,
  guest: Fleet["real"],
): Promise<{ readonly start: number; readonly stopped: number }> {
  await setTimeout(pauseMs);
  const stopped = await call(which, "stopped", guest);
  await setTimeout(pauseMs);
  return { stopped, start: await call(which, "start", guest) };
}

async function call(
  { program, namespace, path = "/usr/sbin:/usr/bin:/sbin:/bin", operation: instead }: Hook,
  operation: string,
  guest: Fleet["real"],
): Promise<number> {
  const inside = namespace === undefined ? [] : ["ip", "netns", "exec", namespace];
  const argv = [...inside, program, guest.name, instead ?? operation, "begin", "-"];
  const started = performance.now();
  const child = spawn(argv[0] ?? "", argv.slice(1), {
    env: { LC_ALL: "C", PATH: path },
    stdio: ["pipe", "ignore", "ignore"],
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(domainXml(guest));
  const status = await new Promise((resolve, reject) => {
    child.once("error", reject).once("exit", resolve);
  });
  const tookMs = performance.now() - started;
  if (status !== 0) throw new Error(`${program} ended with ${String(status)}`);
  return tookMs;
}

/** What was measured was done. */
async function checkPublished({ host }: BenchWorld, { real }: Fleet): Promise<void> {
  const map = await run(host, ["nft", "list", "map", "inet", "virtwall", "publish4"]);
  if (!map.includes(`${real.address} . ${guestPort}`))
    throw new Error("the hook published nothing");
}

function bareHook(folder: string): string {
  const file = join(folder, "bare");
  writeFileSync(file, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  return file;
}

/** As guides have it, for the one guest. */
async function classicHook(folder: string, { real, publications }: Fleet): Promise<string> {
  const file = join(folder, "classic");
  const own = publications.filter(({ guest }) => guest === real);
  await writeClassicHook(file, {
    guest: real.name,
    publicAddress: hostAddress,
    guestAddress: real.address,
    ports: own.map(({ port }) => `tcp:${port}:${guestPort}`),
  });
  return file;
}

function pathWithoutPerl(folder: string): string {
  const path = join(folder, "bin");
  mkdirSync(path);
  symlinkSync("/bin/sh", join(path, "sh"));
  return path;
}
