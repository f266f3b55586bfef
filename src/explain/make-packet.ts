import type { Family } from "../base/address.ts";
import { openLayer, writeBits } from "./layer.ts";
import { loadField } from "./load.ts";
import { withField } from "./mangle.ts";
import { familyOfPacket, type Packet, type Tuple } from "./packet.ts";
import type { Known } from "./value.ts";

/** What is known of a packet from the one who begins a flow. */
export interface FirstPacket {
  readonly protocol: "tcp" | "udp" | "icmp";
  readonly family: Family;
  readonly to: Known;
  readonly port?: number;
  /** Absent: an ordinary one. */
  readonly sourcePort?: number;
  readonly state?: "new" | "established";
  /** Of a flow that is tracked already; absent: nat has still to be asked. */
  readonly answers?: AnswerEnds;
}

/** Between whom the answers of a flow go: not the ends of what they answer where nat has rewritten that. */
export interface AnswerEnds {
  readonly source: AnswerEnd;
  readonly destination: AnswerEnd;
}

interface AnswerEnd {
  readonly address: bigint;
  readonly port: number;
}

/** The first of those that are meant for clients (RFC 6335). */
const ordinaryPort = 49152;

type Bits = bigint | "unknown";
type Field = readonly [protocol: string, name: string];

const headerBytes = { 4: 20, 6: 40 } as const;
const upperBytes = { tcp: 20, udp: 8, icmp: 8 } as const;
const tcpFlags = { first: 2n, later: 16n, answer: 18n };

/** The packet with only that known of it; the rest may be anything. */
export function firstPacket(first: FirstPacket, source: Known): Packet {
  const { protocol, family, to, port, state = "new" } = first;
  const destinationPort: Known = port === undefined ? "unknown" : BigInt(port);
  const sourcePort: Known =
    protocol === "icmp" ? "unknown" : BigInt(first.sourcePort ?? ordinaryPort);
  const original = { source, destination: to, sourcePort, destinationPort };
  const empty: Packet = {
    etherType: family === 4 ? 0x0800 : 0x86dd,
    network: openLayer(headerBytes[family]),
    transport: openLayer(upperBytes[protocol]),
    protocol: protocolNumber(protocol, family),
    length: "unknown",
    type: "host",
    mark: 0n,
    hasSocket: false,
    tracking: "ahead",
    flow: {
      state,
      direction: "original",
      original,
      ...translation(original, first.answers),
      mark: 0n,
    },
  };
  const begin = withUpper(addressed(empty, source, to), state === "new" ? "first" : "later");
  if (protocol === "icmp") return begin;
  const called = withField(begin, [protocol, "dport"], destinationPort);
  return withField(called, [protocol, "sport"], sourcePort);
}

type Translation = Omit<Packet["flow"], "state" | "direction" | "original" | "mark">;

function translation(original: Tuple, answers: AnswerEnds | undefined): Translation {
  const { source, destination, sourcePort = "unknown", destinationPort = "unknown" } = original;
  const isSettled = answers !== undefined;
  const reply = isSettled
    ? {
        source: answers.source.address,
        destination: answers.destination.address,
        sourcePort: BigInt(answers.source.port),
        destinationPort: BigInt(answers.destination.port),
      }
    : {
        source: destination,
        destination: source,
        sourcePort: destinationPort,
        destinationPort: sourcePort,
      };
  return {
    reply,
    isSourceRewritten: reply.destination !== source || reply.destinationPort !== sourcePort,
    isDestinationRewritten: reply.source !== destination || reply.sourcePort !== destinationPort,
    isSourceSettled: isSettled,
    isDestinationSettled: isSettled,
  };
}

function protocolNumber(protocol: FirstPacket["protocol"], family: Family): number {
  if (protocol === "icmp") return family === 4 ? 1 : 58;
  return protocol === "tcp" ? 6 : 17;
}

const networkName = (packet: Packet): "ip" | "ip6" => (familyOfPacket(packet) === 4 ? "ip" : "ip6");

function addressed(packet: Packet, source: Known, destination: Known): Packet {
  const name = networkName(packet);
  const versioned = withField(packet, [name, "version"], name === "ip" ? 4n : 6n);
  const next: Field = name === "ip" ? ["ip", "protocol"] : ["ip6", "nexthdr"];
  const typed = plain(withField(versioned, next, BigInt(packet.protocol ?? 0)));
  return withField(withField(typed, [name, "saddr"], source), [name, "daddr"], destination);
}

/** IPv4's "more fragments" and the fragment's offset (RFC 791). */
const fragmentBits = { offset: 50, length: 14 };

/** No fragment of a packet, and without options of IPv4. */
function plain(packet: Packet): Packet {
  if (familyOfPacket(packet) !== 4) return packet;
  const whole = { ...packet, network: writeBits(packet.network, fragmentBits, 0n) };
  return withField(whole, ["ip", "hdrlength"], 5n);
}

/** A TCP handshake, or an echo. */
function withUpper(packet: Packet, which: keyof typeof tcpFlags): Packet {
  const isAsking = which !== "answer";
  switch (packet.protocol) {
    case 6:
      return withField(packet, ["tcp", "flags"], tcpFlags[which]);
    case 1:
      return withField(
        withField(packet, ["icmp", "type"], isAsking ? 8n : 0n),
        ["icmp", "code"],
        0n,
      );
    case 58: {
      const typed = withField(packet, ["icmpv6", "type"], isAsking ? 128n : 129n);
      return withField(typed, ["icmpv6", "code"], 0n);
    }
    default:
      return packet;
  }
}

/** What the receiver of a packet that came through would answer. */
export function answerTo(packet: Packet): Packet {
  const name = networkName(packet);
  const source = known(loadField(name, "saddr", { packet }));
  const destination = known(loadField(name, "daddr", { packet }));
  const upper = packet.protocol === 6 ? "tcp" : "udp";
  const hasPorts = packet.protocol === 6 || packet.protocol === 17;
  const ports = hasPorts
    ? {
        source: known(loadField(upper, "sport", { packet })),
        destination: known(loadField(upper, "dport", { packet })),
      }
    : undefined;
  const { ports: _, ...own } = packet;
  const fresh: Packet = {
    ...own,
    network: openLayer(packet.network.bytes.length),
    transport: openLayer(packet.transport?.bytes.length ?? 0),
    length: "unknown",
    type: "host",
    mark: 0n,
    tracking: "ahead",
    flow: { ...packet.flow, state: "established", direction: "reply" },
  };
  const back = withUpper(addressed(fresh, destination, source), "answer");
  if (ports === undefined) return back;
  return withField(
    withField(back, [upper, "sport"], ports.destination),
    [upper, "dport"],
    ports.source,
  );
}

/** One end of a link. */
export interface Station {
  readonly address: bigint;
  readonly mac: bigint;
}

/** What a neighbour says whom the host asks for its hardware address. */
export function neighbourAnswer(family: Family, from: Station, to: Station): Packet {
  const answer = family === 6 ? advertisement(from, to) : arpReply(from, to);
  return withLink(answer, { to: to.mac, from: from.mac });
}

/** Of no connection (nf_conntrack_proto_icmpv6.c). */
function advertisement(from: Station, to: Station): Packet {
  const packet = firstPacket({ protocol: "icmp", family: 6, to: to.address }, from.address);
  const typed = withField(packet, ["icmpv6", "type"], 136n);
  return {
    ...withField(typed, ["ip6", "hoplimit"], 255n),
    flow: { ...packet.flow, state: "untracked" },
  };
}

/** RFC 826, between IPv4 and Ethernet. */
function arpReply(from: Station, to: Station): Packet {
  const {
    transport: _,
    protocol: __,
    ...packet
  } = firstPacket({ protocol: "icmp", family: 4, to: to.address }, from.address);
  const fields: readonly (readonly [name: string, value: bigint])[] = [
    ["htype", 1n],
    ["ptype", 0x0800n],
    ["hlen", 6n],
    ["plen", 4n],
    ["operation", 2n],
    ["saddr ether", from.mac],
    ["saddr ip", from.address],
    ["daddr ether", to.mac],
    ["daddr ip", to.address],
  ];
  const empty: Packet = { ...packet, etherType: 0x0806, network: openLayer(28) };
  return fields.reduce((done, [name, value]) => withField(done, ["arp", name], value), empty);
}

const known = (loaded: Known | "absent"): Known => (loaded === "absent" ? "unknown" : loaded);

/** The packet as the frame that carries it between those. */
export function withLink(packet: Packet, { to, from }: { to: Bits; from: Bits }): Packet {
  const empty = { ...openLayer(14), isOpen: false };
  const addressedFrame = writeBits(empty, { offset: 0, length: 48 }, to);
  const link = writeBits(addressedFrame, { offset: 48, length: 48 }, from);
  const type = { offset: 96, length: 16 };
  return { ...packet, link: writeBits(link, type, BigInt(packet.etherType)) };
}
