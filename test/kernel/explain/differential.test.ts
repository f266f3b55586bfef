import { afterAll, beforeAll, expect, it } from "vitest";
import type { Host } from "../../../src/explain/host.ts";
import { walkReceived, walkSent, type Way } from "../../../src/explain/walk.ts";
import { formatAddress } from "../../../src/base/address.ts";
import {
  legacyMark,
  type SavedTables,
  withIptables,
} from "../../../src/explain/iptables-tables.ts";
import type { SetChange } from "../../../src/explain/state.ts";
import type { Table } from "../../../src/nft/ast.ts";
import { readSave } from "../../../src/xtables/save.ts";
import { readTables } from "../../../src/nft/read.ts";
import {
  evaluatedFate,
  evaluatedTrail,
  isTracing,
  kernelFate,
  kernelTrail,
  readHandles,
} from "./compare.ts";
import { Dice } from "./dice.ts";
import { evaluatedPacket, frameOf, readHost } from "./evaluated-host.ts";
import { answerTo, randomPacket, type Sent } from "./random-packet.ts";
import { randomIptables } from "./random-iptables.ts";
import { randomRuleset, traced } from "./random-ruleset.ts";
import { recorded, type Recorded, type RecordedIptables } from "./recorded-rulesets.ts";
import { TracedHost, type Passage } from "./traced-host.ts";
import { Tracker } from "./tracker.ts";

/** Pairs of a ruleset and a packet; more for a long run. */
const pairs = Number(process.env["VIRTWALL_EXPLAIN_PAIRS"] ?? 10_000);
const packetsPerRuleset = 50;
/** Fewer packets than there are source ports, so that no flow is met again. */
const rulesetsPerHost = 500;
const seed = Number(process.env["VIRTWALL_EXPLAIN_SEED"] ?? 1);
/** The ruleset to begin with; what comes to it does not depend on those before. */
const from = Number(process.env["VIRTWALL_EXPLAIN_FROM"] ?? 0);

// nft takes and prints times in the local zone.
process.env["TZ"] = "UTC";

let kernel: TracedHost;
let host: Host;

async function start(): Promise<void> {
  kernel = await TracedHost.start();
  host = await readHost(kernel);
}

beforeAll(start);
afterAll(() => kernel.close());

interface Round {
  tables: readonly Table[];
  readonly handles: ReturnType<typeof readHandles>;
  readonly tracker: Tracker;
  /** A target of iptables that finds nothing to change goes on; in nft's words its rule ends there. */
  readonly isSilentOnChanges: boolean;
}

const counts = { pairs: 0, certain: 0, doubtful: 0, unknown: 0 };

it(
  "evaluates random rulesets on random packets as the kernel does",
  { timeout: 120_000 + pairs * 60 },
  async () => {
    for (let number = from; counts.pairs < pairs; number++) {
      if (number % rulesetsPerHost === rulesetsPerHost - 1) {
        await kernel.close();
        await start();
      }
      const dice = new Dice(seed * 1_000_003 + number);
      await kernel.filterBridged(number % 2 === 1);
      const ruleset = randomRuleset(dice);
      const round = await load(ruleset);
      for (let i = 0; i < packetsPerRuleset; i++) {
        await exchange(round, randomPacket(dice, number * packetsPerRuleset + i)).catch(
          (error: unknown) => {
            throw new Error(`ruleset ${String(number)} of seed ${String(seed)}:\n${ruleset}`, {
              cause: error,
            });
          },
        );
      }
    }
    report();
    expect(counts.unknown).toBeLessThan(0.01 * counts.pairs);
    expect(counts.certain).toBeGreaterThan(0.75 * counts.pairs);
  },
);

it(
  "evaluates random rules of iptables as the kernel does",
  { timeout: 120_000 + pairs * 60 },
  async () => {
    Object.assign(counts, { pairs: 0, certain: 0, doubtful: 0, unknown: 0 });
    for (let number = from; counts.pairs < pairs / 5; number++) {
      if (number % rulesetsPerHost === rulesetsPerHost - 1 || number === from) {
        await kernel.close();
        await start();
      }
      const dice = new Dice(seed * 1_000_003 + number);
      await kernel.filterBridged(number % 2 === 1);
      const rules = {
        backend: number % 4 < 2 ? ("nft" as const) : ("legacy" as const),
        v4: randomIptables(dice, 4),
        v6: randomIptables(dice, 6),
      };
      const round = await loadRecorded({ title: "", nft: "flush ruleset", iptables: rules });
      for (let i = 0; i < packetsPerRuleset; i++) {
        await exchange(round, randomPacket(dice, number * packetsPerRuleset + i)).catch(
          (error: unknown) => {
            const text = `${rules.backend}\n${rules.v4}\n${rules.v6}`;
            throw new Error(`ruleset ${String(number)} of seed ${String(seed)}:\n${text}`, {
              cause: error,
            });
          },
        );
      }
      if (rules.backend === "legacy") await clearLegacy();
    }
    report();
    expect(counts.unknown).toBeLessThan(0.01 * counts.pairs);
    expect(counts.certain).toBeGreaterThan(0.6 * counts.pairs);
  },
);

/** No disagreement: the first would have ended it. */
function report(): void {
  const { pairs: compared, certain, doubtful, unknown } = counts;
  process.stdout.write(
    `${compared} pairs as in the kernel: ${certain} known, ${doubtful} that may go several ways, ${unknown} unknown\n`,
  );
}

async function clearLegacy(): Promise<void> {
  const empty = ["raw", "mangle", "filter", "nat"].map((table) => `*${table}\nCOMMIT\n`).join("");
  for (const program of ["iptables-legacy", "ip6tables-legacy"]) {
    await kernel.run([`${program}-restore`], empty);
    for (const chain of ["INPUT", "FORWARD", "OUTPUT"]) {
      await kernel.run([program, "-P", chain, "ACCEPT"]);
    }
  }
}

it.each(recorded)("evaluates $title as the kernel does", { timeout: 120_000 }, async (ruleset) => {
  const dice = new Dice(seed);
  await kernel.close();
  await start();
  const round = await loadRecorded(ruleset);
  for (const isOn of [false, true]) {
    await kernel.filterBridged(isOn);
    for (let i = 0; i < 2 * packetsPerRuleset; i++) {
      await exchange(round, randomPacket(dice, Number(isOn) * 2 * packetsPerRuleset + i));
    }
  }
});

async function load(ruleset: string): Promise<Round> {
  await kernel.run(["nft", "-f", "-"], `flush ruleset\n${ruleset}`);
  return readRound([]);
}

async function loadRecorded({ nft = "", iptables }: Recorded): Promise<Round> {
  await kernel.run(["nft", "-f", "-"], nft);
  await kernel.run(["nft", "-f", "-"], traced);
  return readRound(iptables === undefined ? [] : await loadIptables(iptables));
}

async function loadIptables({ backend, v4, v6 }: RecordedIptables): Promise<SavedTables[]> {
  const saved: SavedTables[] = [];
  for (const [family, text] of [[4, v4] as const, [6, v6] as const]) {
    if (text === undefined) continue;
    const program = `${family === 4 ? "iptables" : "ip6tables"}-${backend}`;
    await kernel.run([`${program}-restore`], text);
    saved.push({ family, backend, tables: readSave(await kernel.run([`${program}-save`])) });
  }
  return saved;
}

async function readRound(saved: readonly SavedTables[]): Promise<Round> {
  const listing = await list();
  return {
    tables: withIptables(readTables(listing), saved),
    handles: readHandles(listing),
    tracker: new Tracker(),
    isSilentOnChanges: saved.length > 0,
  };
}

async function list(): Promise<Parameters<typeof readHandles>[0]> {
  const json = await kernel.run(["nft", "-j", "list", "ruleset"]);
  return JSON.parse(json) as Parameters<typeof readHandles>[0];
}

/** Sends a packet and, where it got through, what its receiver would answer. */
async function exchange(round: Round, first: Sent): Promise<void> {
  let sent: Sent | undefined = first;
  for (let turn = 0; sent !== undefined && turn < 2; turn++) {
    const packet = evaluatedPacket(sent, round.tracker.track(sent.packet));
    const ground = { tables: round.tables, host };
    const ways =
      sent.link === undefined ? walkSent(ground, packet) : walkReceived(ground, packet, sent.place);
    const passage = await kernel.send(sent.place, frameOf(sent));
    counts.pairs++;
    const way = agree(round, { sent, ways, passage });
    if (way === undefined) {
      if (ways.some(({ state }) => state.sets.length > 0)) round.tables = readTables(await list());
      return;
    }
    // What the host answers by itself goes through the rules too, and into their sets.
    const isAnswered = way.fate.kind === "delivered" || way.fate.kind === "rejected";
    const isLearning = round.tables.some(isFillingSets);
    round.tables =
      isAnswered && isLearning
        ? readTables(await list())
        : withElements(round.tables, way.state.sets);
    if (way.fate.kind === "sent" || way.fate.kind === "delivered") {
      round.tracker.confirm(sent.packet, way.state.packet.flow);
    }
    sent = nextOf(sent, passage, way);
  }
}

/** The way that the packet went; undefined where more than one would look the same. */
function agree(
  { handles, isSilentOnChanges }: Round,
  { sent, ways, passage }: { sent: Sent; ways: readonly Way[]; passage: Passage },
): Way | undefined {
  const [way, ...others] = ways;
  if (way === undefined || ways.some(({ fate }) => fate.kind === "unknown")) {
    counts.unknown++;
    return undefined;
  }
  const about = JSON.stringify(sent);
  const fates = ways.map((each) => [evaluatedFate(each), kernelFate(passage, sent.packet, each)]);
  const told = (trail: readonly string[]) =>
    isSilentOnChanges ? trail.filter((step) => !step.endsWith(": continue")) : trail;
  const kernelsTrail = told(kernelTrail(passage.traces, handles));
  if (others.length === 0 && way.state.doubts.length === 0) {
    counts.certain++;
    // nftrace knows nothing of iptables-legacy.
    const steps = way.state.trail.filter(({ table }) => !table.name.endsWith(legacyMark));
    const trail = told(evaluatedTrail(steps, isTracing));
    expect(trail, about).toEqual(kernelsTrail);
    expect(fates[0]?.[0], about).toBe(fates[0]?.[1]);
    return way;
  }
  counts.doubtful++;
  expect(
    fates.filter(([evaluated, real]) => evaluated === real),
    `${about} ${JSON.stringify(fates)}`,
  ).not.toEqual([]);
  return undefined;
}

function isFillingSets({ chains }: Table): boolean {
  return chains.some(({ rules }) =>
    rules.some(({ statements }) => statements.some(({ kind }) => kind === "set")),
  );
}

/** The tables with what the packet has put into their sets, all of IPv4 addresses. */
function withElements(tables: readonly Table[], changes: readonly SetChange[]): readonly Table[] {
  if (changes.length === 0) return tables;
  return tables.map((table) => {
    const own = changes.filter((change) => change.table === table);
    const sets = table.sets.map((set) => {
      const keys = own.filter((change) => change.set === set.name).flatMap(({ key }) => key);
      const values = keys.map((key) => (typeof key === "bigint" ? formatAddress(4, key) : ""));
      const added = values.map((value) => ({ key: { kind: "value" as const, value } }));
      return added.length === 0 ? set : { ...set, elements: [...set.elements, ...added] };
    });
    return own.length === 0 ? table : { ...table, sets };
  });
}

function nextOf(sent: Sent, passage: Passage, way: Way): Sent | undefined {
  const { packet } = sent;
  if (way.fate.kind !== "sent" || (packet.protocol === "tcp" && packet.flags !== 2))
    return undefined;
  if (packet.protocol === "icmp" && packet.icmpType !== 8 && packet.icmpType !== 128)
    return undefined;
  const [frame, ...more] = passage.frames;
  return frame === undefined || more.length > 0
    ? undefined
    : answerTo(frame.bytes, frame.tap, sent);
}
