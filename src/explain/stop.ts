import { formatAddress } from "../base/address.ts";
import type { Answer } from "./answer.ts";
import { guestWord } from "./guest-word.ts";
import { loadField } from "./load.ts";
import { familyOfPacket, type Packet } from "./packet.ts";
import type { Question } from "./question.ts";
import type { KnownNic } from "./read-host.ts";
import type { Step } from "./state.ts";
import type { Knowledge } from "./knowledge.ts";
import type { Ground } from "./walk.ts";

/** A packet at the rule that ends its way. */
export interface Stop {
  readonly ground: Ground;
  readonly question: Question;
  readonly knowledge: Knowledge;
  readonly answer: Answer;
  readonly packet: Packet;
  readonly trail: readonly Step[];
  readonly last: Step;
}

/** The ends of the packet there, as far as they are known. */
export function addressOf(
  { packet }: Pick<Stop, "packet">,
  end: "saddr" | "daddr",
): string | undefined {
  const family = familyOfPacket(packet);
  if (family === undefined) return undefined;
  const bits = loadField(family === 4 ? "ip" : "ip6", end, { packet });
  return typeof bits === "bigint" ? formatAddress(family, bits) : undefined;
}

export function portOf(
  { packet }: Pick<Stop, "packet">,
  end: "sport" | "dport",
): number | undefined {
  const bits = loadField("th", end, { packet });
  return typeof bits === "bigint" && packet.protocol !== 1 && packet.protocol !== 58
    ? Number(bits)
    : undefined;
}

/** Whose address that is. */
export function guestAt(stop: Stop, end: "saddr" | "daddr"): KnownNic | undefined {
  const address = addressOf(stop, end);
  return stop.knowledge.nics.find(({ addresses }) => addresses.some((each) => each === address));
}

/** The way to publish a guest's port; that of SSH is the host's own, and no publication may take it. */
export function publishCommand(stop: Stop): string {
  const guest = guestWord(guestAt(stop, "daddr")?.guest);
  const service = serviceOf(stop);
  const { protocol, port } = stop.question;
  const inside = portOf(stop, "dport");
  // Another's rule has led it there.
  if (port !== undefined && inside !== undefined && port !== inside) {
    return `virtwall publish add ${guest} ${protocol}/${String(port)}:${String(inside)}`;
  }
  return `virtwall publish add ${guest} ${service === "tcp/22" ? "tcp/2022:22" : service}`;
}

/** `tcp/80`. */
export function serviceOf(stop: Stop): string {
  const { protocol } = stop.question;
  const port = portOf(stop, "dport");
  return port === undefined ? protocol : `${protocol}/${String(port)}`;
}
