import { endianness } from "node:os";
import type { OwnTable } from "../wire/gate-protocol.ts";

/**
 * The few nfnetlink messages about tables that libnftables 1.0.6 cannot send (`flags owner,persist` is unknown to its parser).
 * Numbers are those of linux/netlink.h, linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h.
 */

/** Set on a table that only the netlink socket which set it may change (kernel 5.12). */
export const ownerFlag = 2;
/** Keeps a table when its owner's socket is closed (kernel 6.9). */
export const persistFlag = 4;

/** What the kernel says of a table. */
export interface TableState {
  readonly flags: number;
  /** Chains, sets and maps in it. */
  readonly use: number;
  /** Netlink port id of the owner, 0 if nobody owns it. */
  readonly owner: number;
}

export type NetlinkAnswer =
  | { readonly kind: "error"; readonly sequence: number; readonly errno: number }
  | { readonly kind: "table"; readonly sequence: number; readonly state: TableState };

const littleEndian = endianness() === "LE";
const headerBytes = 16;
const familyHeaderBytes = 4;
const familyNumbers = { inet: 1, bridge: 7 } as const satisfies Record<OwnTable["family"], number>;

const subsystem = 10; // NFNL_SUBSYS_NFTABLES
const messageTypes = {
  newTable: subsystem << 8,
  getTable: (subsystem << 8) | 1,
  deleteTable: (subsystem << 8) | 2,
  batchBegin: 0x10,
  batchEnd: 0x11,
  error: 2,
} as const;
const request = 1;
const acknowledge = 4;
const create = 0x400;
const attributes = { name: 1, flags: 2, use: 3, owner: 7 } as const;

export type TableChange =
  | { readonly kind: "delete"; readonly table: OwnTable }
  /** Creates the table, or changes the flags of the one that is there. */
  | { readonly kind: "put"; readonly table: OwnTable; readonly flags: number };

/** One transaction. Sequence numbers count up from `sequence`; the kernel answers each change with an error, 0 for success. */
export function printBatch(changes: readonly TableChange[], sequence: number): Uint8Array {
  const bodies = changes.map((change, index) => {
    const name = printAttribute(attributes.name, nameBytes(change.table));
    const numbers = { family: familyNumbers[change.table.family], sequence: sequence + 1 + index };
    return change.kind === "delete"
      ? printMessage({ type: messageTypes.deleteTable, flags: acknowledge, ...numbers }, name)
      : printMessage(
          { type: messageTypes.newTable, flags: acknowledge | create, ...numbers },
          join([name, printAttribute(attributes.flags, bigEndian32(change.flags))]),
        );
  });
  const edge = { flags: 0, family: 0, resource: subsystem };
  const none = new Uint8Array();
  return join([
    printMessage({ type: messageTypes.batchBegin, sequence, ...edge }, none),
    ...bodies,
    printMessage(
      { type: messageTypes.batchEnd, sequence: sequence + 1 + changes.length, ...edge },
      none,
    ),
  ]);
}

export function printGetTable(table: OwnTable, sequence: number): Uint8Array {
  return printMessage(
    { type: messageTypes.getTable, flags: 0, family: familyNumbers[table.family], sequence },
    printAttribute(attributes.name, nameBytes(table)),
  );
}

/** The answers in one datagram of the kernel; messages of other kinds are skipped. */
export function readAnswers(datagram: Uint8Array): readonly NetlinkAnswer[] {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const answers: NetlinkAnswer[] = [];
  let offset = 0;
  while (offset + headerBytes <= view.byteLength) {
    const length = view.getUint32(offset, littleEndian);
    if (length < headerBytes || offset + length > view.byteLength) break;
    const type = view.getUint16(offset + 4, littleEndian);
    const sequence = view.getUint32(offset + 8, littleEndian);
    const body = new DataView(
      view.buffer,
      view.byteOffset + offset + headerBytes,
      length - headerBytes,
    );
    if (type === messageTypes.error && body.byteLength >= 4) {
      answers.push({ kind: "error", sequence, errno: -body.getInt32(0, littleEndian) });
    }
    if (type === messageTypes.newTable) {
      answers.push({ kind: "table", sequence, state: readTableState(body) });
    }
    offset += aligned(length);
  }
  return answers;
}

function readTableState(body: DataView): TableState {
  const numbers = new Map<number, number>();
  let offset = familyHeaderBytes;
  while (offset + 4 <= body.byteLength) {
    const length = body.getUint16(offset, littleEndian);
    if (length < 4 || offset + length > body.byteLength) break;
    // The two highest bits of the type say "nested" and "network byte order".
    const type = body.getUint16(offset + 2, littleEndian) & 0x3fff;
    if (length === 8) numbers.set(type, body.getUint32(offset + 4));
    offset += aligned(length);
  }
  return {
    flags: numbers.get(attributes.flags) ?? 0,
    use: numbers.get(attributes.use) ?? 0,
    owner: numbers.get(attributes.owner) ?? 0,
  };
}

interface MessageHead {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly family: number;
  readonly resource?: number;
}

function printMessage(head: MessageHead, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headerBytes + familyHeaderBytes + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, littleEndian);
  view.setUint16(4, head.type, littleEndian);
  view.setUint16(6, head.flags | request, littleEndian);
  view.setUint32(8, head.sequence, littleEndian);
  view.setUint8(headerBytes, head.family);
  view.setUint16(headerBytes + 2, head.resource ?? 0);
  bytes.set(body, headerBytes + familyHeaderBytes);
  return bytes;
}

function printAttribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(aligned(4 + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + value.length, littleEndian);
  view.setUint16(2, type, littleEndian);
  bytes.set(value, 4);
  return bytes;
}

function nameBytes(table: OwnTable): Uint8Array {
  return new TextEncoder().encode(`${table.name}\0`);
}

function bigEndian32(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}
