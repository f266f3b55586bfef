import { formatAddress, familyOf, toBits, type Address } from "../base/address.ts";
import type { GateFlow } from "../wire/gate-protocol.ts";
import {
  acknowledge,
  attributesOf,
  dump,
  forEachAttribute,
  join,
  printMessage,
  type NetlinkMessage,
} from "./netlink-frame.ts";

/** The messages about tracked connections. Numbers are those of linux/netfilter/nfnetlink_conntrack.h and linux/in.h. */

const subsystem = 1; // NFNL_SUBSYS_CTNETLINK
const messageTypes = {
  newFlow: subsystem << 8,
  getFlows: (subsystem << 8) | 1,
  deleteFlow: (subsystem << 8) | 2,
} as const;
const attributes = { original: 1, reply: 2, status: 3, id: 12, zone: 18 } as const;
const tupleAttributes = { addresses: 1, protocol: 2 } as const;
/** Sources are odd, destinations even, for IPv4 and IPv6 alike. */
const addressAttributes = new Set([1, 2, 3, 4]);
const protocolAttributes = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const seenReply = 2; // IPS_SEEN_REPLY
const protocolNames: Readonly<Record<number, GateFlow["protocol"]>> = {
  1: "icmp",
  6: "tcp",
  17: "udp",
  58: "icmp",
};

/** One direction of a flow as the kernel says it, its addresses still in numbers. */
interface Tuple {
  source: DataView;
  destination: DataView;
  protocol: number;
  sourcePort: number;
  destinationPort: number;
}

/** Asks for every flow of both families. */
export function printListFlows(sequence: number): Uint8Array {
  const head = { type: messageTypes.getFlows, flags: dump, family: 0, sequence };
  return printMessage(head, new Uint8Array());
}

/** Deletes one flow, and no other between the same ends: the kernel compares the id. The kernel answers with an error, 0 for done. */
export function printDeleteFlow(key: string, sequence: number): Uint8Array {
  const [family = 0, ...rest] = Buffer.from(key, "base64");
  const head = { type: messageTypes.deleteFlow, flags: acknowledge, family, sequence };
  return printMessage(head, Uint8Array.from(rest));
}

/** Addresses in a form that can be looked for in the kernel's messages without making text of each. */
export class WantedAddresses {
  readonly #numbers: ReadonlySet<string>;

  constructor(addresses: readonly Address[]) {
    this.#numbers = new Set(
      addresses.map((address) => {
        const bits = toBits(address);
        const words = familyOf(address) === 4 ? [0n] : [96n, 64n, 32n, 0n];
        return words.map((shift) => (bits >> shift) & 0xffffffffn).join(" ");
      }),
    );
  }

  has(address: DataView): boolean {
    return this.#numbers.has(
      address.byteLength === 4
        ? String(address.getUint32(0))
        : `${address.getUint32(0)} ${address.getUint32(4)} ${address.getUint32(8)} ${address.getUint32(12)}`,
    );
  }
}

/** The flow that a message tells of, if one of its ends is wanted. */
export function readFlow(message: NetlinkMessage, wanted: WantedAddresses): GateFlow | undefined {
  if (message.type !== messageTypes.newFlow) return undefined;
  const views = new Map<number, DataView>();
  forEachAttribute(attributesOf(message), (type, value) => views.set(type, value));
  const original = readTuple(views.get(attributes.original));
  const reply = readTuple(views.get(attributes.reply));
  if (!original || !reply) return undefined;
  const ends = [original.source, original.destination, reply.source];
  if (!ends.some((end) => wanted.has(end))) return undefined;
  return {
    key: keyOf(message, views),
    protocol: protocolNames[original.protocol] ?? "other",
    source: textOf(original.source),
    destination: textOf(original.destination),
    port: original.destinationPort,
    answerer: textOf(reply.source),
    answererPort: reply.sourcePort,
    isAnswered: ((views.get(attributes.status)?.getUint32(0) ?? 0) & seenReply) !== 0,
  };
}

function readTuple(tuple: DataView | undefined): Tuple | undefined {
  let source: DataView | undefined;
  let destination: DataView | undefined;
  const numbers = { protocol: 0, sourcePort: 0, destinationPort: 0 };
  if (tuple === undefined) return undefined;
  forEachAttribute(tuple, (type, value) => {
    if (type === tupleAttributes.addresses) {
      forEachAttribute(value, (which, address) => {
        if (!addressAttributes.has(which) || address.byteLength % 4 !== 0) return;
        if (which % 2 === 1) source = address;
        else destination = address;
      });
    }
    if (type === tupleAttributes.protocol) readPorts(value, numbers);
  });
  return source && destination && { source, destination, ...numbers };
}

function readPorts(
  protocol: DataView,
  numbers: { protocol: number; sourcePort: number; destinationPort: number },
): void {
  forEachAttribute(protocol, (type, value) => {
    if (type === protocolAttributes.number) numbers.protocol = value.getUint8(0);
    if (type === protocolAttributes.sourcePort) numbers.sourcePort = value.getUint16(0);
    if (type === protocolAttributes.destinationPort) numbers.destinationPort = value.getUint16(0);
  });
}

function textOf(address: DataView): Address {
  if (address.byteLength === 4) {
    return formatAddress(4, BigInt(address.getUint32(0)));
  }
  return formatAddress(6, (address.getBigUint64(0) << 64n) | address.getBigUint64(8));
}

/** What the kernel needs to find the flow again, in its own words: the family, and the attributes that name it. */
function keyOf(message: NetlinkMessage, views: ReadonlyMap<number, DataView>): string {
  const named = [attributes.original, attributes.zone, attributes.id].flatMap((type) => {
    const value = views.get(type);
    return value ? [withHeader(value)] : [];
  });
  return Buffer.from(join([Uint8Array.of(message.body.getUint8(0)), ...named])).toString("base64");
}

/** An attribute's value with the four bytes before it, and after it what brings it to a multiple of four. */
function withHeader(value: DataView): Uint8Array {
  const bytes = new Uint8Array((4 + value.byteLength + 3) & ~3);
  bytes.set(new Uint8Array(value.buffer, value.byteOffset - 4, 4 + value.byteLength));
  return bytes;
}
