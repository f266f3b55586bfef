import { formatAddress } from "../base/address.ts";
import { defined } from "../base/defined.ts";
import { loadField } from "./load.ts";
import { tellLoss } from "./loss.ts";
import { answerTo, withLink } from "./make-packet.ts";
import { nameRule, nameStep, type NamedRule, type NamedStep, pathOf } from "./named-rule.ts";
import { familyOfPacket, type Packet } from "./packet.ts";
import { enter, type Question } from "./question.ts";
import { leadsElsewhere } from "./nat.ts";
import { nameQueue, queueOf } from "./queue.ts";
import { calledBy } from "./socket.ts";
import type { Loaded } from "./value.ts";
import { type Fate, type Ground, walkReceived, walkSent, type Way } from "./walk.ts";

export type Verdict = "delivered" | "dropped" | "rejected" | "lost" | "nobody listens" | "unknown";

/** What became of the question. */
export interface Answer {
  readonly verdict: Verdict;
  /** On which way: that of the question, or that of its answer. */
  readonly way: "there" | "back";
  /** Where it ends: an interface, why it is lost, or why nobody knows. */
  readonly detail: string;
  /** What decided, or why it is not known. */
  readonly because?: NamedRule;
  /** The rules of the way there that took part in a verdict, in order. */
  readonly path: readonly NamedStep[];
  /** Where the packet came to, where that is known and another address than was asked. */
  readonly rewritten?: { readonly address: string; readonly port?: number };
}

/** An answer, and what became of the packet. */
export interface Followed {
  readonly answer: Answer;
  /** The packet where its way ended; absent where it did not set out. */
  readonly end?: Way;
  /** Absent where ways differ. */
  readonly fate?: Fate;
}

/** Follows the first packet of the flow, and what its receiver would answer. */
export function answer(ground: Ground, question: Question): Answer {
  return follow(ground, question).answer;
}

export function follow(ground: Ground, question: Question): Followed {
  const entry = enter(ground, question);
  if ("kind" in entry) return { answer: { ...settled(entry), way: "there" }, fate: entry };
  const { packet, iif } = entry;
  const ways = iif === undefined ? walkSent(ground, packet) : walkReceived(ground, packet, iif);
  const { fate, ...there } = agreed(ways);
  const [way] = ways;
  const ended = defined({ end: way, fate });
  if (way === undefined) return { answer: { ...there, way: "there" } };
  const rewritten = rewrittenBy(packet, way.state.packet);
  if (there.verdict !== "delivered") {
    const led = there.verdict === "lost" ? rewritten : {};
    return { answer: { ...there, way: "there", ...led }, ...ended };
  }
  const result = { ...there, way: "there" as const, ...rewritten };
  if (question.state !== "established" && !mayBeHeard(ground, way)) {
    return { answer: { ...result, verdict: "nobody listens" }, ...ended };
  }
  const backs = ways.flatMap((each) => goBack(ground, each));
  const { fate: fateBack, ...back } = agreed(backs);
  if (back.verdict === "delivered") return { answer: result, ...ended };
  const [end] = backs;
  return {
    answer: { ...result, ...back, path: there.path, way: "back" },
    ...defined({ end, fate: fateBack }),
  };
}

/** Of a process on the host; what goes on inside of guests the host does not see. */
function mayBeHeard({ host }: Ground, { state: { packet }, fate }: Way): boolean {
  // A proxy has given it to one that listens elsewhere.
  if (fate.kind !== "delivered" || packet.hasSocket) return true;
  const called = calledBy(packet, fate.iif);
  return called === undefined || host.hears(called);
}

function goBack(ground: Ground, { state: { packet }, fate }: Way): Way[] {
  const reply = answerTo(packet);
  if (fate.kind !== "sent") return walkSent(ground, reply);
  const from = loadField("ether", "daddr", { packet });
  const to = loadField("ether", "saddr", { packet });
  const device = ground.host.interfaces.get(fate.dev);
  const bridge = ground.host.bridgeOf(fate.dev);
  const beside = bridge === undefined ? undefined : besideReceiver(ground, reply, bridge);
  const link =
    bridge !== undefined
      ? { to: beside ?? knownOr(to), from: knownOr(from) }
      : { to: device?.mac ?? ("unknown" as const), from: "unknown" as const };
  const ways = walkReceived(ground, withLink(reply, link), fate.dev);
  return beside === undefined || beside === to ? ways : ways.map((way) => pastHost(way, bridge));
}

/** The asker's hardware address where it is on the receiver's own bridge, so that no router is asked for the way to it. */
function besideReceiver({ host }: Ground, reply: Packet, bridge: string): bigint | undefined {
  const family = familyOfPacket(reply);
  if (family === undefined) return undefined;
  const destination = loadField(family === 4 ? "ip" : "ip6", "daddr", { packet: reply });
  if (typeof destination !== "bigint") return undefined;
  const route = host.route({ family, source: "unknown", destination, mark: 0n });
  const isOnLink = route.kind === "unicast" && route.dev === bridge && route.via === undefined;
  return isOnLink ? host.neighbour(bridge, destination) : undefined;
}

/** What nat has led to the receiver is not undone where the host does not route the answer. */
function pastHost(way: Way, bridge: string | undefined): Way {
  const isRewritten = way.state.packet.flow.isDestinationRewritten;
  const isPast = way.fate.kind === "sent" && bridge !== undefined && isRewritten;
  return isPast ? { ...way, fate: { kind: "lost", loss: { why: "past the host", bridge } } } : way;
}

const knownOr = (loaded: Loaded): bigint | "unknown" =>
  typeof loaded === "bigint" ? loaded : "unknown";

type Result = Pick<Answer, "verdict" | "detail" | "because" | "path"> & Pick<Followed, "fate">;

/** What all ways come to; where they differ nobody knows, because of the first rule at which they parted. */
function agreed(ways: readonly Way[]): Result {
  const [first, ...others] = ways;
  if (first === undefined) return { verdict: "unknown", detail: "no way at all", path: [] };
  const path = pathOf(first.state.trail);
  const result = settled(first.fate);
  if (others.every(({ fate }) => settled(fate).verdict === result.verdict)) {
    const detail = unreadBy(first) ?? result.detail;
    return defined({ ...result, detail, path, because: decisive(first), fate: first.fate });
  }
  const doubt = ways.flatMap(({ state }) => state.doubts)[0];
  return {
    verdict: "unknown",
    detail: doubt === undefined ? "its ways differ" : `it depends on ${doubt.reason}`,
    path,
    ...(doubt !== undefined && { because: nameRule(doubt.place) }),
  };
}

/** Where nobody takes what the last rule hands over. */
function unreadBy({ state: { trail }, fate }: Way): string | undefined {
  const last = trail.at(-1);
  const queue = fate.kind === "dropped" && last !== undefined ? queueOf(last) : undefined;
  return queue && `no program takes what comes to ${nameQueue(queue)}`;
}

/** The rule that stops it, that leads it to where nobody is, or of which nobody knows what it does. */
function decisive({ state: { trail, doubts }, fate }: Way): NamedRule | undefined {
  if (fate.kind === "unknown") {
    const doubt = doubts.at(-1);
    return doubt && nameRule(doubt.place);
  }
  const isStopped = fate.kind === "dropped" || fate.kind === "rejected";
  const isMisled = fate.kind === "lost" && fate.loss.why === "silent";
  const step = isStopped ? trail.at(-1) : isMisled ? trail.find(leadsElsewhere) : undefined;
  return step && nameStep(step);
}

function settled(fate: Fate): Pick<Answer, "verdict" | "detail"> & { path: [] } {
  switch (fate.kind) {
    case "delivered":
      return { verdict: "delivered", detail: "to the host itself", path: [] };
    case "sent":
      return { verdict: "delivered", detail: `out by ${fate.dev}`, path: [] };
    case "dropped":
    case "rejected":
      return { verdict: fate.kind, detail: "", path: [] };
    case "lost":
      return { verdict: "lost", detail: tellLoss(fate.loss), path: [] };
    default:
      return { verdict: fate.kind, detail: fate.reason, path: [] };
  }
}

function rewrittenBy(before: Packet, after: Packet): Pick<Answer, "rewritten"> {
  const family = familyOfPacket(after);
  const name = family === 4 ? "ip" : "ip6";
  const upper = after.protocol === 6 ? "tcp" : "udp";
  const [from, to] = [before, after].map((packet) => [
    loadField(name, "daddr", { packet }),
    loadField(upper, "dport", { packet }),
  ]);
  const [address, port] = to ?? [];
  if (family === undefined || typeof address !== "bigint") return {};
  if (from?.[0] === address && from[1] === port) return {};
  return {
    rewritten: {
      address: formatAddress(family, address),
      ...(typeof port === "bigint" && { port: Number(port) }),
    },
  };
}
