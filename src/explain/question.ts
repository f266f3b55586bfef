import { type Family, toBits } from "../base/address.ts";
import { defined } from "../base/defined.ts";
import { type Loss, tellLoss } from "./loss.ts";
import { besideMacvtap } from "./next-hop.ts";
import { type AnswerEnds, firstPacket, withLink } from "./make-packet.ts";
import type { Packet } from "./packet.ts";
import type { Route } from "./routes.ts";
import type { Known, Outsider } from "./value.ts";
import type { Fate, Ground, Missing } from "./walk.ts";

/** Who asks whom, of a flow that is to begin or, `established`, that began under the rules there are. */
export interface Question {
  readonly protocol: "tcp" | "udp" | "icmp";
  readonly family: Family;
  /** `host`: a process of this host, by the address that its routes choose. `world`: anybody beyond the default route. */
  readonly from: bigint | "host" | "world";
  readonly to: bigint | "world";
  /** Of the one who is asked; absent for ICMP. */
  readonly port?: number;
  /** Of the one who asks; absent: an ordinary one. */
  readonly sourcePort?: number;
  /** The interface that receives the packet, where it is not the one that leads back to its sender. */
  readonly iif?: string;
  /** The hardware address of the one who asks, where it is another than the one that the host knows. */
  readonly mac?: bigint;
  /** Absent: `new`. */
  readonly state?: FlowState;
  /** The ends of what answers a flow that is tracked already; absent: as the rules of nat say now. */
  readonly answers?: AnswerEnds;
}

export type FlowState = "new" | "established";

/** The packet, and the interface that receives it; without one the host itself sends it. */
export interface Entry {
  readonly packet: Packet;
  readonly iif?: string;
}

/** The first packet of the flow, as it comes to the host. What the question does not say is unknown. */
export function enter(ground: Ground, question: Question): Entry | Fate {
  const source = sourceOf(ground, question);
  if (typeof source === "object" && "kind" in source) return source;
  const packet = firstPacket({ ...question, to: destinationOf(ground, question) }, source);
  if (question.from === "host" || isOwn(ground, question)) return { packet };
  const iif = question.iif ?? wayBack(ground, question);
  if (typeof iif === "object") return iif;
  const device = ground.host.interfaces.get(iif);
  if (device === undefined) return unknown(`there is no interface ${iif}`);
  if (ground.host.bridgeOf(iif) !== undefined) return enterPort(ground, { question, packet, iif });
  const macvtap = besideMacvtap(ground.host, {
    dev: iif,
    hop: hopTo(ground, question, question.from) ?? "unknown",
  });
  if (macvtap !== undefined) return pastHost(ground, question, macvtap);
  const bridge = device.kind === "bridge" ? iif : ground.host.segmentOf(iif);
  if (bridge !== undefined) return enterByPort(ground, { question, packet, bridge, station: iif });
  return { packet: withLink(packet, { to: device.mac, from: question.mac ?? "unknown" }), iif };
}

/** What a macvtap sends comes to no interface of the host, whoever it is for. */
function pastHost(ground: Ground, { family, to }: Question, loss: Loss): Fate {
  return routeTo(ground, family, to).kind === "local"
    ? { kind: "lost", loss }
    : unknown(`${tellLoss(loss)}: what it sends goes past the host`);
}

const unknown = (reason: string, missing?: Missing): Fate =>
  defined({ kind: "unknown" as const, reason, missing });

function isOwn(ground: Ground, { family, from }: Question): boolean {
  if (typeof from !== "bigint") return false;
  return routeTo(ground, family, from).kind === "local";
}

function routeTo(ground: Ground, family: Family, end: bigint | "world"): Route {
  const destination = end === "world" ? ground.host.outsider(family) : end;
  return ground.host.route({ family, source: "unknown", destination, mark: 0n });
}

function destinationOf(ground: Ground, { to, family }: Question): bigint | Outsider {
  return to === "world" ? ground.host.outsider(family) : to;
}

function sourceOf(ground: Ground, question: Question): Known | Fate {
  const { from, to, family } = question;
  if (from === "world") return ground.host.outsider(family);
  if (from !== "host") return from;
  const route = routeTo(ground, family, to);
  if (route.kind === "none") return { kind: "lost", loss: route.loss };
  if (route.kind === "local") return destinationOf(ground, question);
  if (route.kind !== "unicast") return unknown("by which address the host would send");
  if (route.prefsrc !== undefined) return toBits(route.prefsrc);
  const own = ground.host.interfaces
    .get(route.dev)
    ?.addresses.filter((address) => address.family === family);
  const [first, ...more] = own ?? [];
  return first === undefined || more.length > 0 ? "unknown" : first.bits;
}

function wayBack(ground: Ground, { family, from }: Question): string | Fate {
  const route = routeTo(ground, family, typeof from === "bigint" ? from : "world");
  if (route.kind === "unicast") return route.dev;
  return unknown("by which interface it would come; say so with --in", "interface");
}

interface Crossing {
  readonly question: Question;
  readonly packet: Packet;
  readonly bridge: string;
  /** By which interface the host knows who is on the bridge: the bridge itself, or its leg there. */
  readonly station: string;
}

/** Behind which port of a bridge the sender sits, and to whom it hands the frame. */
function enterByPort(
  ground: Ground,
  { question, packet, bridge, station }: Crossing,
): Entry | Fate {
  const { host } = ground;
  const sender = hopTo(ground, question, question.from);
  const from = sender === undefined ? undefined : host.neighbour(station, sender);
  const port = from === undefined ? undefined : host.portTo(bridge, from);
  if (from === undefined || port === undefined || port === "self") {
    const reason = `behind which port of ${bridge} the sender is`;
    return comeToLeg(ground, { question, packet, bridge, station }) ?? unknown(reason, "port");
  }
  const to = addressee(ground, question, station) ?? "unknown";
  return { packet: withLink(packet, { to, from: question.mac ?? from }), iif: port };
}

/** By whichever port of the bridge it comes, it comes out of the leg that it is for: also what the host is to lead elsewhere. */
function comeToLeg(
  ground: Ground,
  { question, packet, bridge, station }: Crossing,
): Entry | undefined {
  if (station === bridge || ground.host.filtersBridged(question.family)) return undefined;
  const own = ground.host.interfaces.get(station)?.mac;
  if (own === undefined || addressee(ground, question, station) !== own) return undefined;
  return { packet: withLink(packet, { to: own, from: "unknown" }), iif: station };
}

/** The port was said: who sits behind it is the guest whose nic it is. */
function enterPort(
  ground: Ground,
  { question, packet, iif }: { question: Question; packet: Packet; iif: string },
): Entry | Fate {
  const bridge = ground.host.bridgeOf(iif) ?? "";
  const to = addressee(ground, question, bridge) ?? "unknown";
  const from = question.mac ?? ground.host.behind(iif) ?? "unknown";
  return { packet: withLink(packet, { to, from }), iif };
}

/** The neighbour by whom somebody is reached. */
function hopTo(ground: Ground, { family }: Question, end: Question["from"]): bigint | undefined {
  if (end === "host") return undefined;
  const route = routeTo(ground, family, end);
  if (route.kind !== "unicast") return undefined;
  if (route.via === undefined) return typeof end === "bigint" ? end : undefined;
  return toBits(route.via);
}

/**
 * The host is the router of a bridge on which it stands with an address: for what it leads elsewhere, and for all where the bridge is not its
 * own way out.
 */
function addressee(ground: Ground, question: Question, station: string): bigint | undefined {
  const { host } = ground;
  const { family, to } = question;
  const own = host.interfaces.get(station);
  const out = routeTo(ground, family, "world");
  const route = routeTo(ground, family, to);
  if (route.kind === "local") return own?.mac;
  const isOnLink = route.kind === "unicast" && route.dev === station && route.via === undefined;
  if (isOnLink && to !== "world") return host.neighbour(station, to);
  if (route.kind === "unicast" && route.dev !== station) return own?.mac;
  const isRouter = own?.addresses.some((address) => address.family === family) === true;
  const isWayOut = out.kind === "unicast" && out.dev === station;
  return isRouter && !isWayOut ? own?.mac : undefined;
}

/** The host's address that somebody finds first: that of the interface by which he comes. */
export function addressFacing(
  ground: Ground,
  { family, from, iif }: Pick<Question, "family" | "from" | "iif">,
): bigint | undefined {
  const route = routeTo(ground, family, typeof from === "bigint" ? from : "world");
  const device = iif ?? (route.kind === "unicast" ? route.dev : undefined);
  return ground.host.interfaces
    .get(device ?? "")
    ?.addresses.find((address) => address.family === family)?.bits;
}
