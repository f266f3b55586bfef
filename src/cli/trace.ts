import { parseAddress } from "../base/address.ts";
import { nearest } from "../base/nearest.ts";
import { isTraceTable, traceChains, traceTable } from "../compile/names.ts";
import {
  tracedGuest,
  tracedPublication,
  traceTables,
  type Traced,
} from "../compile/trace-tables.ts";
import { OwnedTables, tryCommands, watchTrace } from "../edge/nft/trace.ts";
import { readNumberedRuleset } from "../edge/nft/read-ruleset.ts";
import { TraceFollower, type TracedPacket } from "../explain/follow-trace.ts";
import type { Rule, Table } from "../nft/ast.ts";
import { printOwnedTable } from "../nft/print-commands.ts";
import { collect, demandDesired } from "./collect.ts";
import { counted } from "./columns.ts";
import { ComplaintError, exitStatus, UsageError, type ExitStatus } from "./exit-status.ts";
import type { Output } from "./output.ts";
import { printAnswer } from "./print-answer.ts";
import { demandRoot, type Settings } from "./settings.ts";

export interface TraceOptions {
  /** `guest:NAME`, `ADDRESS:PORT` of a publication, or matches in nft's words. */
  readonly subject: string;
  readonly count: number;
  readonly seconds: number;
}

/** Nothing more is heard of a packet by then: the events of one packet come at once. */
const quietMs = 300;

/** Packets as they come, with `--json` one object a line. Exit status 1 where none came. */
export async function runTrace(
  settings: Settings,
  output: Output,
  options: TraceOptions,
): Promise<ExitStatus> {
  demandRoot("trace");
  const { subject } = options;
  const name = traceTable(process.pid);
  const traced = await readSubject(settings, subject);
  const owned = new OwnedTables();
  try {
    const tables =
      traced === undefined
        ? await makeByWords(owned, traceTables(name), subject)
        : await make(owned, traceTables(name, traced));
    const printed = await follow(owned, tables, { options, output, isJson: settings.json });
    if (!settings.json) output.err(`${counted(printed, "packet")}\n`);
    return printed > 0 ? exitStatus.ok : exitStatus.problems;
  } finally {
    await owned.close();
  }
}

/** Undefined for matches in nft's words, which need neither policy nor libvirt. */
async function readSubject(settings: Settings, subject: string): Promise<Traced | undefined> {
  const guest = /^guest:(.+)$/s.exec(subject)?.[1];
  const [, host = "", port] = /^(\[[^\]]*\]|[^\s:]+):(\d+)$/.exec(subject) ?? [];
  const address = parseAddress(host.replace(/^\[(.*)\]$/, "$1"));
  if (guest === undefined && (address === undefined || port === undefined)) return undefined;
  const { decision } = await collect(settings);
  const { intent } = demandDesired(decision).compiled;
  if (guest !== undefined) {
    const traced = tracedGuest(intent, guest);
    if (traced !== undefined) return traced;
    const near = nearest(guest, new Set(intent.nics.map((nic) => nic.guest)));
    const hint = near === undefined ? "" : `; did you mean ${near}?`;
    throw new ComplaintError(`there is no guest ${guest} that runs${hint}`);
  }
  const traced = address && tracedPublication(intent, { address, port: Number(port) });
  if (traced === undefined) {
    throw new ComplaintError(
      `nothing is published at ${subject}: virtwall publish list shows what is`,
    );
  }
  return traced;
}

async function make(owned: OwnedTables, tables: readonly Table[]): Promise<readonly Table[]> {
  for (const table of tables) await owned.run(table, printOwnedTable(table).make);
  return tables;
}

/** The tables of those families in which nft understands the words. */
async function makeByWords(
  owned: OwnedTables,
  tables: readonly Table[],
  words: string,
): Promise<readonly Table[]> {
  if (/[;#\\\n\r]/.test(words))
    throw new UsageError(`${words}: one match after the other, no more`);
  const refusals: string[] = [];
  const made: Table[] = [];
  for (const table of tables) {
    // A rule that asks for connections on a bridge would have the kernel track them there.
    if (table.family === "bridge" && /\bct\b/.test(words)) continue;
    const chain = `${table.family} ${table.name} ${traceChains.pick}`;
    const rule = `add rule ${chain} ${words} goto ${traceChains.turnOn}`;
    const commands = [...printOwnedTable(table).make, rule];
    const refusal = await tryCommands(commands);
    if (refusal !== undefined) {
      refusals.push(refusal);
      continue;
    }
    await owned.run(table, commands);
    const { tables: present } = await readNumberedRuleset();
    const own = present.find(({ family, name }) => family === table.family && name === table.name);
    const picks = own?.chains.find(({ name }) => name === traceChains.pick)?.rules ?? [];
    if (!picks.every(onlyMatches)) {
      throw new UsageError(`${words}: only matches can be traced by, and this does something`);
    }
    made.push(table);
  }
  if (made.length > 0) return made;
  const what = "no guest:NAME, no ADDRESS:PORT and no match";
  throw new UsageError(`${words}: ${what}, of which nft says ${refusals[0] ?? ""}`);
}

function onlyMatches({ statements }: Rule): boolean {
  return statements.slice(0, -1).every(({ kind }) => kind === "match" || kind === "limit");
}

interface Following {
  readonly options: TraceOptions;
  readonly output: Output;
  readonly isJson: boolean;
}

/** Answers how many packets there were. */
async function follow(
  owned: OwnedTables,
  tables: readonly Table[],
  { options, output, isJson }: Following,
): Promise<number> {
  const { count, seconds, subject } = options;
  const follower = new TraceFollower(await readNumberedRuleset(), {
    isTrace: isTraceTable,
    own: traceTable(process.pid),
    endInput: traceChains.endInput,
    endPostrouting: traceChains.endPostrouting,
  });
  let printed = 0;
  const print = (until: number): void => {
    for (const packet of follower.take(until).slice(0, count - printed)) {
      output.out(isJson ? `${JSON.stringify(packet)}\n` : printPacket(packet));
      printed += 1;
    }
  };
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const stop = await watchTrace((event) => follower.push(event, performance.now()), end);
  const looking = setInterval(() => {
    print(performance.now() - quietMs);
    if (printed >= count) end();
  }, quietMs / 3);
  const time = setTimeout(end, seconds * 1000);
  process.once("SIGINT", end).once("SIGTERM", end);
  try {
    for (const table of tables) await owned.run(table, printOwnedTable(table).enter);
    output.err(`tracing ${subject}: ${counted(count, "packet")} or ${seconds} s at most\n`);
    await ended;
  } finally {
    clearInterval(looking);
    clearTimeout(time);
    stop();
  }
  print(Infinity);
  return printed;
}

function printPacket(packet: TracedPacket): string {
  const { protocol, from = "?", sourcePort, to = "?", port } = packet;
  const words = { protocol, from: endOf(from, sourcePort), to: endOf(to, port) };
  return printAnswer({ ...packet, way: "there" }, words);
}

function endOf(address: string, port: number | undefined): string {
  if (port === undefined) return address;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
