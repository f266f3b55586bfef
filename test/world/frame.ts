import { isIPv6 } from "node:net";

/** Ethernet frames as bytes. MACs and addresses are text; a source is whatever the test pretends to be. */

export interface Ethernet {
  readonly from: string;
  readonly to: string;
}

export const broadcastMac = "ff:ff:ff:ff:ff:ff";

export const etherType = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd };
const protocol = { udp: 17, icmpv6: 58 };

export const macBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(":", ""), "hex");

export function addressBytes(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail = ""] = address.split("::");
  const words = (text: string) => (text === "" ? [] : text.split(":"));
  const gap = Array<string>(8 - words(head).length - words(tail).length).fill("0");
  const all = address.includes("::") ? [...words(head), ...gap, ...words(tail)] : words(head);
  return Buffer.from(all.map((word) => word.padStart(4, "0")).join(""), "hex");
}

export function numbers16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, i) => bytes.writeUInt16BE(value, i * 2));
  return bytes;
}

function ethernet({ from, to }: Ethernet, type: number, payload: Buffer): Buffer {
  return Buffer.concat([macBytes(to), macBytes(from), numbers16(type), payload]);
}

export interface Datagram {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly port: number;
}

/** A UDP datagram over the family of its addresses. */
export function udpFrame(link: Ethernet, datagram: Datagram): Buffer {
  const text = Buffer.from("hello");
  const header = numbers16(datagram.sourcePort, datagram.port, 8 + text.length, 0);
  const plain = Buffer.concat([header, text]);
  return isIPv6(datagram.source)
    ? ipv6Frame(link, datagram, { next: protocol.udp, plain, checksumAt: 6 })
    : ipv4Frame(link, datagram, plain);
}

function ipv4Frame(
  link: Ethernet,
  datagram: Pick<Datagram, "source" | "destination"> & { readonly protocol?: number },
  payload: Buffer,
): Buffer {
  const header = Buffer.concat([
    Buffer.from([0x45, 0]),
    numbers16(20 + payload.length, 1, 0),
    Buffer.from([64, datagram.protocol ?? protocol.udp]),
    numbers16(0),
    addressBytes(datagram.source),
    addressBytes(datagram.destination),
  ]);
  header.writeUInt16BE(checksum(header), 10);
  return ethernet(link, etherType.ipv4, Buffer.concat([header, payload]));
}

function ipv6Frame(
  link: Ethernet,
  ends: Pick<Datagram, "source" | "destination">,
  packet: { next: number; plain: Buffer; checksumAt: number },
): Buffer {
  const { next, plain, checksumAt } = packet;
  const addresses = Buffer.concat([addressBytes(ends.source), addressBytes(ends.destination)]);
  const pseudo = Buffer.concat([addresses, numbers16(0, plain.length, 0, next)]);
  const payload = Buffer.from(plain);
  payload.writeUInt16BE(checksum(Buffer.concat([pseudo, plain])), checksumAt);
  const header = Buffer.concat([
    numbers16(0x6000, 0, payload.length),
    Buffer.from([next, 255]),
    addresses,
  ]);
  return ethernet(link, etherType.ipv6, Buffer.concat([header, payload]));
}

/** RFC 1071. */
export function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Asks who has an address; `source` is `0.0.0.0` for a probe. */
export function arpRequest(from: string, source: string, wanted: string): Buffer {
  const payload = Buffer.concat([
    numbers16(1, etherType.ipv4),
    Buffer.from([6, 4]),
    numbers16(1),
    macBytes(from),
    addressBytes(source),
    Buffer.alloc(6),
    addressBytes(wanted),
  ]);
  return ethernet({ from, to: broadcastMac }, etherType.arp, payload);
}

/** Whether a frame is the answer of the owner of an IPv4 address. */
export function isArpReply(frame: Buffer, owner: string): boolean {
  return (
    frame.readUInt16BE(12) === etherType.arp &&
    frame.readUInt16BE(20) === 2 &&
    frame.subarray(28, 32).equals(addressBytes(owner))
  );
}

/** A neighbour solicitation; from `::` it asks whether the address is free. */
export function neighbourSolicitation(from: string, source: string, wanted: string): Buffer {
  const target = addressBytes(wanted);
  const group = `ff02::1:ff${target.subarray(13, 14).toString("hex")}:${target.subarray(14).toString("hex")}`;
  const to = `33:33:ff:${[...target.subarray(13)].map((byte) => byte.toString(16).padStart(2, "0")).join(":")}`;
  const option =
    source === "::" ? Buffer.alloc(0) : Buffer.concat([Buffer.from([1, 1]), macBytes(from)]);
  const plain = Buffer.concat([Buffer.from([135, 0, 0, 0, 0, 0, 0, 0]), target, option]);
  const packet = { next: protocol.icmpv6, plain, checksumAt: 2 };
  return ipv6Frame({ from, to }, { source, destination: group }, packet);
}

/** What a router says of itself to everybody on the link; it is the way to the world for half an hour. */
export function routerAdvertisement(from: string, source: string): Buffer {
  const plain = Buffer.from([134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0]);
  const packet = { next: protocol.icmpv6, plain, checksumAt: 2 };
  const link = { from, to: "33:33:00:00:00:01" };
  return ipv6Frame(link, { source, destination: "ff02::1" }, packet);
}

/** The same frame in a VLAN, by a tag of IEEE 802.1Q unless another type is named. */
export function tagged(frame: Buffer, vlan: number, type = 0x8100): Buffer {
  return Buffer.concat([frame.subarray(0, 12), numbers16(type, vlan), frame.subarray(12)]);
}

/** What a router of VRRPv3 says to the others of its number: it is the best (RFC 5798, 5.1). */
export function vrrp(from: string, source: string, number: number): Buffer {
  const link = { from, to: "01:00:5e:00:00:12" };
  const payload = Buffer.from([0x31, number, 255, 1, 0, 100, 0, 0, ...addressBytes(source)]);
  return ipv4Frame(link, { source, destination: "224.0.0.18", protocol: 112 }, payload);
}

/** Whether a frame is the neighbour advertisement of an address. */
export function isNeighbourAdvertisement(frame: Buffer, owner: string): boolean {
  return (
    frame.readUInt16BE(12) === etherType.ipv6 &&
    frame[20] === protocol.icmpv6 &&
    frame[54] === 136 &&
    frame.subarray(62, 78).equals(addressBytes(owner))
  );
}
