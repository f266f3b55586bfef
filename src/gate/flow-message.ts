import { familyOf, formatAddress, toBits, type Address, type Family } from "../base/address.ts";
import type { GateFlow } from "../wire/gate-protocol.ts";
import {
  acknowledge,
  attributesOf,
  dump,
  findAttribute,
  join,
  printMessage,
  readNumber,
  wholeAttribute,
  type NetlinkMessage,
  type Span,
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
const addressAttributes = {
  4: { source: 1, destination: 2, bytes: 4 },
  6: { source: 3, destination: 4, bytes: 16 },
} as const;
const protocolAttributes = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const seenReply = 2; // IPS_SEEN_REPLY
const protocolNames: Readonly<Record<number, GateFlow["protocol"]>> = {
  1: "icmp",
  6: "tcp",
  17: "udp",
  58: "icmp",
};

/** Asks for every flow of both families. */
export function printListFlows(sequence: number): Uint8Array {
  const head = { type: messageTypes.getFlows, flags: dump, family: 0, sequence };
  return printMessage(head, new Uint8Array());
}

/**
 * Deletes these flows, and no others between the same ends: the kernel compares the id. It answers each that it cannot delete with an
 * error, and the last one in any case.
 */
export function printDeleteFlows(keys: readonly string[]): Uint8Array {
  const messages = keys.map((key, index) => {
    const bytes = new Uint8Array(Buffer.from(key, "base64"));
    const flags = index === keys.length - 1 ? acknowledge : 0;
    const head = { type: messageTypes.deleteFlow, flags, family: bytes[0] ?? 0, sequence: index };
    return printMessage(head, bytes.subarray(1));
  });
  return join(messages);
}

/** Addresses in a form that can be looked for in the kernel's messages without making text of each. */
export class WantedAddresses {
  readonly #four: ReadonlySet<number>;
  readonly #six: ReadonlySet<string>;

  constructor(addresses: readonly Address[]) {
    const of = (family: Family) => addresses.filter((address) => familyOf(address) === family);
    this.#four = new Set(of(4).map((address) => Number(toBits(address))));
    this.#six = new Set(
      of(6).map((address) => `${toBits(address) >> 64n} ${toBits(address) & 0xffffffffffffffffn}`),
    );
  }

  has(family: Family, view: DataView, offset: number): boolean {
    if (family === 4) return this.#four.has(view.getUint32(offset));
    return (
      this.#six.size > 0 &&
      this.#six.has(`${view.getBigUint64(offset)} ${view.getBigUint64(offset + 8)}`)
    );
  }
}

/** The flow that a message tells of, if one of its ends is wanted. */
export function readFlow(message: NetlinkMessage, wanted: WantedAddresses): GateFlow | undefined {
  if (message.type !== messageTypes.newFlow) return undefined;
  const view = message.body;
  const all = attributesOf(message);
  const original = findAttribute(view, all, attributes.original);
  const reply = findAttribute(view, all, attributes.reply);
  const family = original && familyOfTuple(view, original);
  if (!original || !reply || !family) return undefined;
  const names = addressAttributes[family];
  const source = findAddress(view, original, [names.source, names.bytes]);
  const destination = findAddress(view, original, [names.destination, names.bytes]);
  const answerer = findAddress(view, reply, [names.source, names.bytes]);
  if (!source || !destination || !answerer) return undefined;
  const ends = [source, destination, answerer];
  if (!ends.some((end) => wanted.has(family, view, end))) return undefined;
  return {
    key: keyOf(message),
    protocol: protocolNames[readPort(view, original, protocolAttributes.number)] ?? "other",
    source: textOf(family, view, source),
    destination: textOf(family, view, destination),
    port: readPort(view, original, protocolAttributes.destinationPort),
    answerer: textOf(family, view, answerer),
    answererPort: readPort(view, reply, protocolAttributes.sourcePort),
    isAnswered: (readNumber(view, all, attributes.status) & seenReply) !== 0,
  };
}

function familyOfTuple(view: DataView, tuple: Span): Family | undefined {
  const addresses = findAttribute(view, tuple, tupleAttributes.addresses);
  if (!addresses) return undefined;
  return findAttribute(view, addresses, addressAttributes[4].source) ? 4 : 6;
}

/** The offset of an address; it is never 0. */
function findAddress(
  view: DataView,
  tuple: Span,
  [type, bytes]: readonly [number, number],
): number | undefined {
  const addresses = findAttribute(view, tuple, tupleAttributes.addresses);
  const address = addresses && findAttribute(view, addresses, type);
  return address && address.end - address.start === bytes ? address.start : undefined;
}

/** A port, or the protocol's number; 0 for protocols that have none. */
function readPort(view: DataView, tuple: Span, type: number): number {
  const protocol = findAttribute(view, tuple, tupleAttributes.protocol);
  const value = protocol && findAttribute(view, protocol, type);
  if (!value) return 0;
  return value.end - value.start === 1 ? view.getUint8(value.start) : view.getUint16(value.start);
}

function textOf(family: Family, view: DataView, offset: number): Address {
  if (family === 6) {
    return formatAddress(6, (view.getBigUint64(offset) << 64n) | view.getBigUint64(offset + 8));
  }
  const bytes = [0, 1, 2, 3].map((index) => view.getUint8(offset + index));
  return bytes.join(".") as Address;
}

/** What the kernel needs to find the flow again, in its own words: the family, and the attributes that name it. */
function keyOf(message: NetlinkMessage): string {
  const view = message.body;
  const named = [attributes.original, attributes.zone, attributes.id].flatMap((type) => {
    const value = findAttribute(view, attributesOf(message), type);
    return value ? [wholeAttribute(view, value)] : [];
  });
  return Buffer.from(join([Uint8Array.of(view.getUint8(0)), ...named])).toString("base64");
}
