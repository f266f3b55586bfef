import type { BaseChain, Table } from "../nft/ast.ts";
import type { PacketWords, Told, TraceEvent } from "../nft/read-trace.ts";
import type { Verdict } from "./answer.ts";
import { nameChain, nameRule, type NamedRule, type NamedStep } from "./named-rule.ts";

/** The listing in which the rules of a trace are found. */
export interface TracedRuleset {
  readonly tables: readonly Table[];
  /** Which rule of its chain a handle is, counted from 0; undefined for one that came later. */
  indexOf(
    table: { readonly family: string; readonly table: string },
    handle: number,
  ): number | undefined;
}

/** What a trace's own tables are called, and their chains at the end of the way. */
export interface TraceMarks {
  readonly isTrace: (table: string) => boolean;
  /** The table of this run. */
  readonly own: string;
  readonly endInput: string;
  readonly endPostrouting: string;
}

/** What became of one packet, in the words of an answer of explain. */
export interface TracedPacket {
  readonly protocol: string;
  readonly from?: string;
  readonly sourcePort?: number;
  readonly to?: string;
  readonly port?: number;
  readonly iif?: string;
  readonly verdict: Verdict;
  readonly detail: string;
  readonly because?: NamedRule;
  readonly path: readonly NamedStep[];
  readonly rewritten?: { readonly address: string; readonly port?: number };
}

/** A packet between two handovers: the kernel numbers it anew where a bridge hands it up, and where it is copied. */
interface Leg {
  /** The chain that saw it first there, and between which interfaces. */
  readonly beginning: string;
  stage: string;
  end: "open" | "handed up" | "delivered" | "stopped" | "unknown";
  because?: NamedStep;
  /** The interface that the packet is to leave by, as told last. */
  oif?: string;
  /** The interface that it has left by: of a bridge, its port. */
  out?: string;
}

interface Journey {
  readonly first: PacketWords;
  /** Where it was seen first: what is seen there again is another packet. */
  readonly origin: string;
  /** A rule of this run has asked for it. */
  isOurs: boolean;
  last: PacketWords;
  readonly legs: Map<string, Leg>;
  readonly path: NamedStep[];
  lastAt: number;
}

/** Puts together what the kernel tells of each packet, layer by layer. */
export class TraceFollower {
  readonly #ruleset: TracedRuleset;
  readonly #marks: TraceMarks;
  readonly #byId = new Map<string, Journey>();
  readonly #journeys = new Set<Journey>();

  constructor(ruleset: TracedRuleset, marks: TraceMarks) {
    this.#ruleset = ruleset;
    this.#marks = marks;
  }

  push(event: TraceEvent, at: number): void {
    const known = this.#byId.get(event.id);
    const journey = known === undefined || isAnother(known, event) ? this.#begin(event, at) : known;
    if (journey === undefined) return;
    journey.lastAt = at;
    const leg = journey.legs.get(event.id) ?? {
      beginning: placeOf(event) ?? "",
      stage: "",
      end: "open",
    };
    journey.legs.set(event.id, leg);
    this.#follow(event, journey, leg);
  }

  /** Packets of which nothing was heard since then: nothing more is to come of them. */
  take(until: number): TracedPacket[] {
    const done = [...this.#journeys].filter(({ lastAt }) => lastAt <= until);
    for (const journey of done) {
      this.#journeys.delete(journey);
      for (const id of journey.legs.keys()) {
        if (this.#byId.get(id) === journey) this.#byId.delete(id);
      }
    }
    return done.filter(({ isOurs }) => isOurs).map(describe);
  }

  /** A number that is new is a packet that is new, or one of those under way that another layer has taken over. */
  #begin({ id, family, told }: TraceEvent, at: number): Journey | undefined {
    if (told.kind !== "packet") return undefined;
    const { packet } = told;
    const origin = `${family} ${packet.iif ?? ""} ${packet.oif ?? ""}`;
    const same = [...this.#journeys].findLast(
      (journey) =>
        journey.last.identity === packet.identity &&
        journey.origin !== origin &&
        [...journey.legs.values()].some(goesOn),
    );
    const journey = same ?? {
      first: packet,
      origin,
      isOurs: false,
      last: packet,
      legs: new Map(),
      path: [],
      lastAt: at,
    };
    this.#journeys.add(journey);
    this.#byId.set(id, journey);
    return journey;
  }

  #follow(event: TraceEvent, journey: Journey, leg: Leg): void {
    const { told, table, family } = event;
    const hook = this.#hookOf(event);
    if (hook !== undefined) leg.stage = `${family === "bridge" ? "bridge " : ""}${hook}`;
    if (told.kind === "packet") {
      journey.last = told.packet;
      if (told.packet.oif !== undefined) leg.oif = told.packet.oif;
      return;
    }
    if (this.#marks.isTrace(table)) {
      if (table === this.#marks.own) this.#mark(event, journey, leg);
      return;
    }
    const step = this.#name(event, told);
    if (/^(accept|drop|reject|goto)/.test(step.verdict)) journey.path.push(step);
    if (told.verdict === "drop") Object.assign(leg, { end: "stopped", because: step });
    else if (/^(stolen|queue)/.test(told.verdict)) {
      Object.assign(leg, { end: "unknown", because: step });
    }
  }

  #mark({ family, chain, told }: TraceEvent, journey: Journey, leg: Leg): void {
    const isBridge = family === "bridge";
    if (told.kind === "rule") journey.isOurs = true;
    else if (chain === this.#marks.endPostrouting) {
      leg.end = "delivered";
      if (leg.oif !== undefined && (isBridge || leg.out === undefined)) leg.out = leg.oif;
    } else if (chain === this.#marks.endInput) leg.end = isBridge ? "handed up" : "delivered";
  }

  #tableOf({ family, table }: TraceEvent): Table | undefined {
    return this.#ruleset.tables.find((each) => each.family === family && each.name === table);
  }

  #hookOf(event: TraceEvent): BaseChain["hook"] | undefined {
    return this.#tableOf(event)?.chains.find(({ name }) => name === event.chain)?.base?.hook;
  }

  #name(event: TraceEvent, told: Exclude<Told, { kind: "packet" }>): NamedStep {
    const { family, table: name, chain } = event;
    const known = this.#tableOf(event);
    const table = known ?? { family: family as Table["family"], name, sets: [], chains: [] };
    if (told.kind === "policy") {
      return { ...nameChain(table, chain), verdict: `policy ${told.verdict}` };
    }
    const verdict =
      told.verdict === "drop" && /\breject\b/.test(told.text) ? "reject" : told.verdict;
    const index =
      told.handle === undefined
        ? undefined
        : this.#ruleset.indexOf({ family, table: name }, told.handle);
    // A table that was made anew has its handles anew: the words tell.
    const named = index === undefined ? undefined : nameRule({ table, chain, index });
    const isSame = named !== undefined && (named.text === undefined || named.text === told.text);
    return { ...(isSame ? named : nameChain(table, chain)), text: told.text, verdict };
  }
}

/**
 * The number is made of where the packet lies in memory, of its flow and of the interface that received it (nft_trace_init): one that
 * follows soon may have the same. No packet meets a chain twice on one leg.
 */
function isAnother({ legs }: Journey, event: TraceEvent): boolean {
  const place = placeOf(event);
  return place !== undefined && place === legs.get(event.id)?.beginning;
}

/** Undefined for what tells no packet. */
function placeOf({ family, table, chain, told }: TraceEvent): string | undefined {
  if (told.kind !== "packet") return undefined;
  const { iif = "", oif = "" } = told.packet;
  return [family, table, chain, iif, oif].join(" ");
}

function goesOn({ end }: Leg): boolean {
  return end === "open" || end === "handed up";
}

function describe({ first, last, legs, path }: Journey): TracedPacket {
  return {
    protocol: first.protocol,
    ...(first.source !== undefined && { from: first.source }),
    ...(first.sourcePort !== undefined && { sourcePort: first.sourcePort }),
    ...(first.destination !== undefined && { to: first.destination }),
    ...(first.destinationPort !== undefined && { port: first.destinationPort }),
    ...(first.iif !== undefined && { iif: first.iif }),
    ...fateOf([...legs.values()], first),
    path,
    ...rewrittenBy(first, last),
  };
}

function fateOf(
  legs: readonly Leg[],
  first: PacketWords,
): Pick<TracedPacket, "verdict" | "detail" | "because"> {
  const delivered = legs.filter(({ end }) => end === "delivered");
  if (delivered.length > 0) {
    const out = new Set(delivered.flatMap(({ out }) => out ?? []));
    const isForHost = delivered.some(({ out }) => out === undefined);
    const ways = [...(isForHost ? ["to the host itself"] : []), ...[...out].map(outBy)];
    return { verdict: "delivered", detail: ways.join(", ") };
  }
  const stopped = legs.findLast(({ end }) => end === "stopped" || end === "unknown");
  if (stopped?.because !== undefined) {
    const { verdict, ...because } = stopped.because;
    if (stopped.end === "unknown") {
      return { verdict: "unknown", detail: "another program has taken it", because };
    }
    return { verdict: verdict === "reject" ? "rejected" : "dropped", detail: "", because };
  }
  const last = legs.at(-1);
  if (last?.end === "handed up" && first.protocol === "arp") {
    return { verdict: "delivered", detail: "to the host itself" };
  }
  return { verdict: "lost", detail: lostAfter(last?.stage ?? "") };
}

const outBy = (name: string) => `out by ${name}`;

/** Between the hooks there are no rules: what is lost there the kernel itself has refused. */
function lostAfter(stage: string): string {
  const where = `after ${stage} no rule has seen it again`;
  return stage === "prerouting" || stage === "bridge input"
    ? `${where}: no route, rp_filter, or no forwarding`
    : where;
}

function rewrittenBy(first: PacketWords, last: PacketWords): Pick<TracedPacket, "rewritten"> {
  const { destination, destinationPort } = last;
  const isSame = destination === first.destination && destinationPort === first.destinationPort;
  if (destination === undefined || isSame) return {};
  return {
    rewritten: {
      address: destination,
      ...(destinationPort !== undefined && { port: destinationPort }),
    },
  };
}
