import type { Dice } from "./dice.ts";
import { macOf } from "./traced-host.ts";
import { tracedTtl } from "./random-ruleset.ts";
import type { WirePacket } from "./wire-packet.ts";

/** A packet and where it enters: a tap, with its frame's destination, or the host itself. */
export interface Sent {
  readonly place: string;
  readonly packet: WirePacket;
  /** Of the frame; absent for what the host sends. */
  readonly link?: { readonly to: string; readonly from: string };
}

const networks = { left: 1, right: 2, br0: 3 } as const;
type Network = keyof typeof networks;

const ports = [22, 53, 80, 443, 1000, 8080, 5000];

/** `count` makes the source port and the tag its own, so that no flow is taken for another. */
export function randomPacket(dice: Dice, count: number): Sent {
  const isSix = dice.chance(35);
  const place = dice.pick(["left", "left", "right", "one", "two", "host"]);
  const from: Network = place === "left" || place === "right" ? place : "br0";
  const own =
    place === "one"
      ? dice.pick([2, 3])
      : place === "two"
        ? dice.pick([4, 5])
        : dice.pick([2, 3, 4]);
  const to = randomDestination(dice, { isSix, place });
  const isHost = place === "host";
  const source = isHost ? address(isSix, to.network ?? "right", 1) : address(isSix, from, own);
  const packet: WirePacket = {
    source,
    destination: to.address,
    ...randomUpper(dice, isSix),
    sourcePort: 1024 + (count % 64000),
    sequence: 0,
    acknowledgement: 0,
    dscp: dice.pick([0, 0, 8, 10, 46]),
    ttl: tracedTtl,
    // Not 0, in place of which the kernel would put one of its own into what the host sends (raw(7)).
    tag: 1 + (count % 65535),
    payload: dice.pick([0, 4, 30]),
  };
  if (isHost) return { place, packet };
  const isAcross = from === "br0" && to.network === "br0" && to.number !== 1;
  return {
    place,
    packet,
    link: { from: macOf(from, own), to: isAcross ? macOf("br0", to.number) : macOf(from, 1) },
  };
}

function randomUpper(dice: Dice, isSix: boolean) {
  const protocol = dice.pick(["tcp", "tcp", "udp", "icmp"] as const);
  return {
    protocol,
    destinationPort: dice.pick(ports),
    flags: dice.pick([0x02, 0x02, 0x02, 0x10, 0x18, 0]),
    icmpType: isSix ? dice.pick([128, 128, 129]) : dice.pick([8, 8, 0]),
  };
}

interface Destination {
  readonly address: string;
  readonly network?: Network;
  readonly number: number;
}

function randomDestination(
  dice: Dice,
  { isSix, place }: { isSix: boolean; place: string },
): Destination {
  if (dice.chance(10)) return { address: isSix ? "2001:db8::7" : "198.51.100.7", number: 0 };
  const network = dice.pick(["left", "right", "br0"] as const);
  const isOwn = place !== "host" && dice.chance(30);
  const number = isOwn
    ? 1
    : isPort(place) && network === "br0"
      ? across(dice, place)
      : dice.pick([2, 3, 4, 5]);
  return { address: address(isSix, network, number), network, number };
}

function isPort(place: string): boolean {
  return place === "one" || place === "two";
}

/** Somebody behind the bridge's other port. */
function across(dice: Dice, place: string): number {
  return dice.pick(place === "one" ? [4, 5] : [2, 3]);
}

function address(isSix: boolean, network: Network, number: number): string {
  const net = String(networks[network]);
  return isSix ? `fd0${net}::${String(number)}` : `10.0.${net}.${String(number)}`;
}

/** The answer to a packet that left by a tap, as whoever got it would send it. */
export function answerTo(frame: Buffer, tap: string, { packet }: Sent): Sent {
  const isFour = frame.readUInt16BE(12) === 0x0800;
  const start = isFour ? 34 : 54;
  const [from, to] = isFour ? [26, 30] : [22, 38];
  const length = isFour ? 4 : 16;
  const isEcho = packet.protocol === "icmp";
  return {
    place: tap,
    link: { from: text(frame.subarray(0, 6)), to: text(frame.subarray(6, 12)) },
    packet: {
      ...packet,
      source: addressText(frame.subarray(to, to + length)),
      destination: addressText(frame.subarray(from, from + length)),
      sourcePort: isEcho ? packet.sourcePort : frame.readUInt16BE(start + 2),
      destinationPort: isEcho ? packet.destinationPort : frame.readUInt16BE(start),
      icmpType: isFour ? 0 : 129,
      flags: 0x12,
      acknowledgement: 1,
      ttl: tracedTtl,
    },
  };
}

const text = (mac: Buffer): string =>
  [...mac].map((byte) => byte.toString(16).padStart(2, "0")).join(":");

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  return Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16)).join(":");
}
