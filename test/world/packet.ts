import { isIPv6 } from "node:net";
import { addressBytes, checksum, etherType, macBytes, numbers16 } from "./frame.ts";

/** A frame in the words of its fields, so that a test can say what it is about and change one thing of it. */
export interface Packet {
  /** MACs. */
  readonly from: string;
  readonly to: string;
  /** 802.1Q. */
  readonly vlan?: number;
  /** Of 802.1ad, around the other tag. */
  readonly providerVlan?: number;
  readonly body: ArpBody | IpBody | StpBody | OtherBody;
}

export interface ArpBody {
  readonly kind: "arp" | "rarp";
  readonly hardware?: number;
  readonly protocol?: number;
  readonly operation?: number;
  readonly sourceMac: string;
  readonly source: string;
  readonly targetMac: string;
  readonly target: string;
}

export interface IpBody {
  readonly kind: "ip";
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly dscp?: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Of TCP: the byte of flags (default: SYN), and kinds of options with two bytes each. */
  readonly flags?: number;
  readonly options?: readonly number[];
  /** Of ICMP, both families. */
  readonly type?: number;
  readonly code?: number;
  /** Of ICMP echo. */
  readonly echo?: number;
  /**
   * Bytes behind UDP's header or behind ICMP's first four, or behind IP's where the protocol has no words here: in place of what
   * stands there by default.
   */
  readonly payload?: Buffer;
}

/** A bridge's BPDU, IEEE 802.1D section 9. */
export interface StpBody {
  readonly kind: "stp";
  readonly type?: number;
  readonly flags?: number;
  readonly rootPriority?: number;
  readonly rootAddress?: string;
  readonly rootCost?: number;
  readonly senderPriority?: number;
  readonly senderAddress?: string;
  readonly port?: number;
  readonly age?: number;
  readonly maxAge?: number;
  readonly helloTime?: number;
  readonly forwardDelay?: number;
}

export interface OtherBody {
  readonly kind: "other";
  readonly type: number;
}

export const protocolNumber = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  dccp: 33,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  sctp: 132,
  udplite: 136,
} as const;

export const tcpFlag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32 } as const;

/** The frame with a number at its end, by which it is known wherever it comes out. */
export function frameOf(packet: Packet, tag: number): Buffer {
  const { type, payload } = etherPayload(packet.body, tagBytes(tag));
  const tagged = [
    ...(packet.providerVlan === undefined ? [] : [numbers16(0x88a8, packet.providerVlan)]),
    ...(packet.vlan === undefined ? [] : [numbers16(0x8100, packet.vlan)]),
  ];
  return Buffer.concat([
    macBytes(packet.to),
    macBytes(packet.from),
    ...tagged,
    numbers16(type),
    payload,
  ]);
}

/** The IP packet alone, for a host that sends it. */
export function ipPacketOf(body: IpBody, tag: number): Buffer {
  return etherPayload(body, tagBytes(tag)).payload;
}

export function hasTag(frame: Buffer, tag: number): boolean {
  return frame.subarray(-8).equals(tagBytes(tag));
}

function tagBytes(tag: number): Buffer {
  const bytes = Buffer.from("virt0000");
  bytes.writeUInt32BE(tag, 4);
  return bytes;
}

function etherPayload(body: Packet["body"], tag: Buffer): { type: number; payload: Buffer } {
  switch (body.kind) {
    case "arp":
    case "rarp":
      return {
        type: body.kind === "arp" ? etherType.arp : 0x8035,
        payload: Buffer.concat([arpBytes(body), tag]),
      };
    case "stp": {
      const payload = Buffer.concat([stpBytes(body), tag]);
      // IEEE 802.3: a length stands in place of a type.
      return { type: payload.length, payload };
    }
    case "other":
      return { type: body.type, payload: Buffer.concat([Buffer.alloc(38), tag]) };
    case "ip":
      return isIPv6(body.source)
        ? { type: etherType.ipv6, payload: ipv6Bytes(body, tag) }
        : { type: etherType.ipv4, payload: ipv4Bytes(body, tag) };
  }
}

function arpBytes(body: ArpBody): Buffer {
  return Buffer.concat([
    numbers16(body.hardware ?? 1, body.protocol ?? etherType.ipv4),
    Buffer.from([6, 4]),
    numbers16(body.operation ?? (body.kind === "arp" ? 1 : 3)),
    macBytes(body.sourceMac),
    addressBytes(body.source),
    macBytes(body.targetMac),
    addressBytes(body.target),
  ]);
}

function stpBytes(body: StpBody): Buffer {
  const cost = body.rootCost ?? 0;
  return Buffer.concat([
    Buffer.from([0x42, 0x42, 3, 0, 0, 0, body.type ?? 0, body.flags ?? 0]),
    numbers16(body.rootPriority ?? 0),
    macBytes(body.rootAddress ?? "00:00:00:00:00:00"),
    numbers16(cost >>> 16, cost & 0xffff),
    numbers16(body.senderPriority ?? 0),
    macBytes(body.senderAddress ?? "00:00:00:00:00:00"),
    numbers16(body.port ?? 0, body.age ?? 0, body.maxAge ?? 0),
    numbers16(body.helloTime ?? 0, body.forwardDelay ?? 0),
  ]);
}

function ipv4Bytes(body: IpBody, tag: Buffer): Buffer {
  const ends = Buffer.concat([addressBytes(body.source), addressBytes(body.destination)]);
  const inside = transportBytes(body, ends, tag);
  const header = Buffer.concat([
    Buffer.from([0x45, (body.dscp ?? 0) << 2]),
    numbers16(20 + inside.length, 1, 0x4000),
    Buffer.from([64, body.protocol]),
    numbers16(0),
    ends,
  ]);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, inside]);
}

function ipv6Bytes(body: IpBody, tag: Buffer): Buffer {
  const ends = Buffer.concat([addressBytes(body.source), addressBytes(body.destination)]);
  const inside = transportBytes(body, ends, tag);
  // Neighbour discovery is believed at the greatest distance only.
  const bytes = Buffer.from([body.protocol, 255]);
  return Buffer.concat([
    numbers16(0x6000 | ((body.dscp ?? 0) << 6), 0, inside.length),
    bytes,
    ends,
    inside,
  ]);
}

/** Where the checksum stands in the transport's header. */
const checksumAt = new Map<number, number>([
  [protocolNumber.tcp, 16],
  [protocolNumber.udp, 6],
  [protocolNumber.icmp, 2],
  [protocolNumber.icmpv6, 2],
]);

function transportBytes(body: IpBody, ends: Buffer, tag: Buffer): Buffer {
  const bytes = Buffer.concat([transportHeader(body), tag]);
  const at = checksumAt.get(body.protocol);
  if (at === undefined) return bytes;
  if (body.protocol === protocolNumber.udp) bytes.writeUInt16BE(bytes.length, 4);
  const pseudo = Buffer.concat([ends, numbers16(0, bytes.length, 0, body.protocol)]);
  const covered = body.protocol === protocolNumber.icmp ? [bytes] : [pseudo, bytes];
  const odd = bytes.length % 2 === 1 ? [Buffer.alloc(1)] : [];
  bytes.writeUInt16BE(checksum(Buffer.concat([...covered, ...odd])), at);
  return bytes;
}

function transportHeader(body: IpBody): Buffer {
  const ports = numbers16(body.sourcePort ?? 1024, body.destinationPort ?? 1024);
  switch (body.protocol) {
    case protocolNumber.tcp:
      return tcpHeader(body, ports);
    case protocolNumber.udp:
      return Buffer.concat([ports, numbers16(0, 0), body.payload ?? Buffer.alloc(0)]);
    case protocolNumber.udplite:
      return Buffer.concat([ports, numbers16(8, 0)]);
    case protocolNumber.sctp:
      // An INIT chunk, RFC 9260 section 3.3.2.
      return Buffer.concat([
        ports,
        Buffer.alloc(8),
        Buffer.from([1, 0]),
        numbers16(20, 0, 1, 0, 1500, 1, 1, 0, 1),
      ]);
    case protocolNumber.dccp:
      // A request, RFC 4340 section 5.
      return Buffer.concat([ports, Buffer.from([7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])]);
    case protocolNumber.icmp:
    case protocolNumber.icmpv6:
      return icmpHeader(body);
    case protocolNumber.ah:
      // RFC 4302: the header after it is none (59); its length in words of four bytes, less two.
      return Buffer.concat([Buffer.from([59, 4, 0, 0]), Buffer.alloc(20)]);
    default:
      return body.payload ?? Buffer.from([0x11, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
  }
}

function tcpHeader(body: IpBody, ports: Buffer): Buffer {
  const options = Buffer.from((body.options ?? []).flatMap((kind) => [kind, 4, 0, 0]));
  const words = 5 + options.length / 4;
  const rest = [words << 4, body.flags ?? tcpFlag.SYN, 0x10, 0, 0, 0, 0, 0];
  // A first sequence number, and an acknowledgement that answers the first number of the other end.
  return Buffer.concat([ports, numbers16(0, 1, 0, 2), Buffer.from(rest), options]);
}

function icmpHeader(body: IpBody): Buffer {
  const first = body.type ?? (body.protocol === protocolNumber.icmp ? 8 : 128);
  const rest = body.payload ?? numbers16(body.echo ?? 7, 1);
  return Buffer.concat([Buffer.from([first, body.code ?? 0, 0, 0]), rest]);
}

/** One line that a person can read. */
export function packetText(packet: Packet): string {
  const { body } = packet;
  const provider = packet.providerVlan === undefined ? "" : ` provider vlan ${packet.providerVlan}`;
  const tagged = packet.vlan === undefined ? "" : ` vlan ${packet.vlan}`;
  const { kind, payload, ...fields } = { payload: undefined, ...body };
  const shown = Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`);
  const extra = payload === undefined ? [] : [`payload=${payload.toString("hex")}`];
  return `${packet.from}>${packet.to}${provider}${tagged} ${[kind, ...shown, ...extra].join(" ")}`;
}
