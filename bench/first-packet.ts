import { type BenchWorld, benchTool, clearRules, makeBenchWorld } from "./bench-world.ts";
import { type Fleet, guestPort, hostAddress, makeFleet, peers } from "./fleet.ts";
import { run } from "./program.ts";
import type { BenchRow } from "./report.ts";
import { quantile } from "./statistics.ts";
import { compiledRuleset } from "./virtwall.ts";

const rounds = 5;
const connectsARound = 1500;

interface Contender {
  readonly who: string;
  readonly isReference: boolean;
  load(world: BenchWorld): Promise<unknown>;
  /** Where the client connects to. */
  readonly target: readonly (string | number)[];
}

/** How long a TCP connect from outside to a guest takes, by what the host's ruleset holds. */
export async function firstPacket(): Promise<BenchRow> {
  const fleet = makeFleet(1000, 10);
  const contenders = contendersFor(fleet);
  const samples = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]));
  const world = await makeBenchWorld(fleet);
  try {
    for (let round = 0; round < rounds; round++) {
      // Every round in another order, so that a machine that warms up or tires favours nobody.
      for (const contender of rotate(contenders, round)) {
        await clearRules(world);
        await contender.load(world);
        await connect(world, 100, contender.target);
        samples.get(contender)?.push(...(await connect(world, connectsARound, contender.target)));
      }
    }
  } finally {
    await world.close();
  }
  return {
    name: "first-packet",
    title: `TCP connect to a guest, ${fleet.publications.length} publications, ${fleet.guests.length} nics`,
    columns: ["p50 us", "p90 us", "p99 us"],
    results: [...samples].map(([{ who, isReference }, sample]) => ({
      who,
      figures: [0.5, 0.9, 0.99].map((share) => quantile(sample, share)),
      isReference,
    })),
    note:
      `${rounds} rounds of ${connectsARound} connects each, interleaved. The ports asked for stand in the middle of the list of rules. ` +
      `"no rules" has no connection tracking and no NAT either; "one dnat rule" shows what those two cost by themselves.`,
  };
}

function contendersFor(fleet: Fleet): Contender[] {
  const { publications, real } = fleet;
  const mine = publications.filter(({ guest }) => guest === real);
  const published = [hostAddress, ...mine.map(({ port }) => port)];
  const ruleset = compiledRuleset(fleet, publications);
  return [
    {
      who: "no rules, straight to the guest",
      isReference: true,
      load: () => Promise.resolve(),
      target: [real.address, guestPort],
    },
    {
      who: "virtwall",
      isReference: false,
      load: ({ host }) => run(host, ["nft", "-f", "-"], ruleset),
      target: published,
    },
    {
      who: "nft, one dnat rule in all",
      isReference: false,
      load: ({ host }) => run(host, ["nft", "-f", "-"], peers.nft(mine.slice(0, 1))),
      target: published.slice(0, 2),
    },
    {
      who: "nft, a dnat rule each",
      isReference: false,
      load: ({ host }) => run(host, ["nft", "-f", "-"], peers.nft(publications)),
      target: published,
    },
    {
      who: "iptables, two rules each",
      isReference: false,
      load: ({ host }) => run(host, ["iptables-restore"], peers.iptablesRestore(publications)),
      target: published,
    },
  ];
}

function rotate<Item>(items: readonly Item[], by: number): Item[] {
  const start = by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

async function connect(
  world: BenchWorld,
  count: number,
  target: readonly (string | number)[],
): Promise<number[]> {
  const output = await run(world.client, benchTool("connect.pl", count, ...target));
  return output.trim().split("\n").map(Number);
}
