import { type Family, familyOf, parseAddress, toBits } from "../../../src/base/address.ts";

/** A packet as bytes, with the checksums that the kernel demands. */
export interface WirePacket {
  readonly source: string;
  readonly destination: string;
  readonly protocol: "tcp" | "udp" | "icmp";
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Of TCP, as bits; for ICMP the type of message is in {@link icmpType}. */
  readonly flags: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly icmpType: number;
  readonly dscp: number;
  readonly ttl: number;
  /** Tells the packet again: the identification of IPv4, the flow label of IPv6. */
  readonly tag: number;
  readonly payload: number;
}

export function addressFamily(text: string): Family {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return familyOf(address);
}

export function ipPacket(packet: WirePacket): Buffer {
  const family = addressFamily(packet.source);
  const upper = upperLayer(packet, family);
  const header = family === 4 ? header4(packet, upper.length) : header6(packet, upper.length);
  return Buffer.concat([header, upper]);
}

export function frame(to: string, from: string, packet: Buffer): Buffer {
  const type = (packet[0] ?? 0) >> 4 === 4 ? "0800" : "86dd";
  return Buffer.concat([Buffer.from(`${to}${from}`.replaceAll(":", "") + type, "hex"), packet]);
}

export function protocolNumber({ protocol, source }: WirePacket): number {
  if (protocol === "icmp") return addressFamily(source) === 4 ? 1 : 58;
  return protocol === "tcp" ? 6 : 17;
}

export const headerBytes = (family: Family): number => (family === 4 ? 20 : 40);

function header4(packet: WirePacket, length: number): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt8(0x45, 0);
  header.writeUInt8(packet.dscp << 2, 1);
  header.writeUInt16BE(20 + length, 2);
  header.writeUInt16BE(packet.tag, 4);
  header.writeUInt8(packet.ttl, 8);
  header.writeUInt8(protocolNumber(packet), 9);
  addressBytes(packet.source).copy(header, 12);
  addressBytes(packet.destination).copy(header, 16);
  header.writeUInt16BE(checksum(header), 10);
  return header;
}

function header6(packet: WirePacket, length: number): Buffer {
  const header = Buffer.alloc(40);
  header.writeUInt32BE(((6 << 28) | (packet.dscp << 22) | packet.tag) >>> 0, 0);
  header.writeUInt16BE(length, 4);
  header.writeUInt8(protocolNumber(packet), 6);
  header.writeUInt8(packet.ttl, 7);
  addressBytes(packet.source).copy(header, 8);
  addressBytes(packet.destination).copy(header, 24);
  return header;
}

function upperLayer(packet: WirePacket, family: Family): Buffer {
  const [bytes, checksumAt] = plainUpperLayer(packet);
  const pseudo = Buffer.concat([
    addressBytes(packet.source),
    addressBytes(packet.destination),
    Buffer.from([0, protocolNumber(packet), bytes.length >> 8, bytes.length & 0xff]),
  ]);
  const isPlain = packet.protocol === "icmp" && family === 4;
  const sum = checksum(isPlain ? bytes : Buffer.concat([pseudo, bytes]));
  bytes.writeUInt16BE(sum === 0 && packet.protocol === "udp" ? 0xffff : sum, checksumAt);
  return bytes;
}

function plainUpperLayer(packet: WirePacket): [bytes: Buffer, checksumAt: number] {
  const { payload, sourcePort, destinationPort } = packet;
  if (packet.protocol === "icmp") {
    const bytes = Buffer.alloc(8 + payload);
    bytes.writeUInt8(packet.icmpType, 0);
    bytes.writeUInt16BE(sourcePort, 4);
    return [bytes, 2];
  }
  const isTcp = packet.protocol === "tcp";
  const bytes = Buffer.alloc((isTcp ? 20 : 8) + payload);
  bytes.writeUInt16BE(sourcePort, 0);
  bytes.writeUInt16BE(destinationPort, 2);
  if (!isTcp) {
    bytes.writeUInt16BE(8 + payload, 4);
    return [bytes, 6];
  }
  bytes.writeUInt32BE(packet.sequence, 4);
  bytes.writeUInt32BE(packet.acknowledgement, 8);
  bytes.writeUInt8(0x50, 12);
  bytes.writeUInt8(packet.flags, 13);
  bytes.writeUInt16BE(1000, 14);
  return [bytes, 16];
}

function addressBytes(text: string): Buffer {
  const digits = addressFamily(text) === 4 ? 8 : 32;
  return Buffer.from(toBits(text).toString(16).padStart(digits, "0"), "hex");
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
