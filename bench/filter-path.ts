import { startWorld } from "../lab/world.ts";
import { type BenchWorld, benchTool, clearRules, ip, makeBenchWorld } from "./bench-world.ts";
import { bridge, type Fleet, guestPort, makeFleet } from "./fleet.ts";
import { FilterDriver, filter, libvirtRules } from "./filter-driver.ts";
import { Program, run } from "./program.ts";
import type { BenchRow } from "./report.ts";
import { quantile } from "./statistics.ts";
import { compiledRuleset } from "./virtwall.ts";

const connectNics = 1000;
const broadcastNics = 300;
const rounds = 5;
const connectsARound = 1000;
const broadcasts = 100;
const neighbour = "bench-neighbour";

interface Contender {
  readonly who: string;
  load(world: BenchWorld, fleet: Fleet): Promise<unknown>;
}

/** What a filter on every nic costs the packets. */
export async function filterPath(): Promise<BenchRow> {
  const recorded = await recordRules();
  const contenders: readonly Contender[] = [
    { who: "no rules", load: () => Promise.resolve() },
    { who: "virtwall, no nic filtered", load: loadOurs },
    {
      who: `virtwall, ${filter} on every nic`,
      load: (world, fleet) => loadOurs(world, { ...fleet, filter }),
    },
    {
      who: "libvirt's rules, on every nic",
      load: ({ host }, fleet) =>
        run(host, ["ebtables-restore"], libvirtRules(recorded, fleet.guests)),
    },
  ];
  const connects = await connectTimes(contenders);
  const floods = await broadcastTimes(contenders);
  return {
    name: "filter-path",
    title: `TCP connect between two of ${connectNics} nics of a bridge, and a broadcast to ${broadcastNics}`,
    columns: ["connect p50 us", "p99 us", "broadcast p50 us", "rules a copy may meet"],
    results: contenders.map(({ who }, i) => ({
      who,
      figures: [
        quantile(connects[i] ?? [], 0.5),
        quantile(connects[i] ?? [], 0.99),
        quantile(floods[i]?.times ?? [], 0.5),
        floods[i]?.rules ?? NaN,
      ],
      isReference: i === 0,
    })),
    note:
      `A filter on every nic against none: connect p50 ${filteredRatio(connects)}x. ` +
      `${rounds} rounds of ${connectsARound} connects, interleaved; ${broadcasts} broadcasts, each over all ${broadcastNics} ports. ` +
      "libvirt's rules are those that its driver wrote for one nic, repeated for the others. The last column counts the base chain that every copy of a broadcast goes through.",
  };
}

/** Of virtwall's two rows. */
function filteredRatio([, none = [], filtered = []]: readonly (readonly number[])[]): string {
  return (quantile(filtered, 0.5) / quantile(none, 0.5)).toFixed(2);
}

async function recordRules() {
  const lab = await startWorld();
  try {
    return await (await FilterDriver.start(lab)).recordRules();
  } finally {
    await lab.stop();
  }
}

function loadOurs({ host }: BenchWorld, fleet: Fleet): Promise<string> {
  return run(host, ["nft", "-f", "-"], compiledRuleset(fleet, []));
}

async function connectTimes(contenders: readonly Contender[]): Promise<number[][]> {
  const fleet = makeFleet(connectNics, 0);
  const world = await makeBenchWorld(fleet);
  addNeighbour(fleet, world);
  const samples = contenders.map((): number[] => []);
  try {
    for (let round = 0; round < rounds; round++) {
      for (const [i, contender] of contenders.entries()) {
        await clearRules(world);
        await contender.load(world, fleet);
        await connect(fleet, 100);
        samples[i]?.push(...(await connect(fleet, connectsARound)));
      }
    }
    return samples;
  } finally {
    await world.close();
    ip([], `netns del ${neighbour}`);
  }
}

/** The fleet's first guest, on the bridge beside the real one. */
function addNeighbour({ guests: [first] }: Fleet, { host }: BenchWorld): void {
  if (first === undefined) throw new Error("a fleet has at least one guest");
  const { tap, mac, address } = first;
  ip([], `netns add ${neighbour}`);
  ip(
    ["-n", host],
    `link add ${tap} type veth peer name eth0 address ${mac} netns ${neighbour}`,
    `link set ${tap} master ${bridge} up`,
  );
  ip(["-n", neighbour], `addr add ${address}/16 dev eth0`, "link set eth0 up");
}

async function connect({ real }: Fleet, count: number): Promise<number[]> {
  const output = await run(neighbour, benchTool("connect.pl", count, real.address, guestPort));
  return output.trim().split("\n").map(Number);
}

interface Flood {
  readonly times: readonly number[];
  readonly rules: number;
}

async function broadcastTimes(contenders: readonly Contender[]): Promise<Flood[]> {
  const fleet = makeFleet(broadcastNics, 0);
  const [first, ...others] = fleet.guests.filter((guest) => guest !== fleet.real);
  if (first === undefined) throw new Error("a broadcast needs somebody to hear it");
  const world = await makeBenchWorld(fleet);
  const taps = [first, ...others].map(({ tap }) => tap);
  const floods: Flood[] = [];
  try {
    for (const contender of contenders) {
      await clearRules(world);
      await contender.load(world, fleet);
      const { mac, address } = first;
      const program = benchTool("broadcast.pl", broadcasts, bridge, mac, address, ...taps);
      const sender = new Program(world.host, program);
      await sender.said("ready");
      const lines = (await sender.finish()).trim().split("\n").slice(1);
      floods.push({ times: lines.map(Number), rules: await baseRules(world) });
    }
    return floods;
  } finally {
    await world.close();
  }
}

/** Rules of the chains that every frame leaving the bridge goes through. */
async function baseRules({ host }: BenchWorld): Promise<number> {
  const listing = JSON.parse(await run(host, ["nft", "-j", "list", "ruleset", "bridge"])) as {
    nftables: { chain?: { name: string; hook?: string }; rule?: { chain: string } }[];
  };
  const chains = new Set(
    listing.nftables.flatMap(({ chain }) => (chain?.hook === "postrouting" ? [chain.name] : [])),
  );
  return listing.nftables.filter(({ rule }) => rule !== undefined && chains.has(rule.chain)).length;
}
