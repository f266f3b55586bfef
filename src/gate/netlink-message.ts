import type { OwnTable } from "../wire/gate-protocol.ts";
import {
  acknowledge,
  attributesOf,
  errorType,
  join,
  printAttribute,
  printMessage,
  readErrno,
  readMessages,
  readNumber,
  type NetlinkMessage,
} from "./netlink-frame.ts";

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

const familyNumbers = { inet: 1, bridge: 7 } as const satisfies Record<OwnTable["family"], number>;

const subsystem = 10; // NFNL_SUBSYS_NFTABLES
const messageTypes = {
  newTable: subsystem << 8,
  getTable: (subsystem << 8) | 1,
  deleteTable: (subsystem << 8) | 2,
  batchBegin: 0x10,
  batchEnd: 0x11,
} as const;
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
  return readMessages(datagram).flatMap((message): NetlinkAnswer[] => {
    const { type, sequence } = message;
    if (type === errorType) {
      return [{ kind: "error", sequence, errno: readErrno(message) }];
    }
    return type === messageTypes.newTable
      ? [{ kind: "table", sequence, state: readTableState(message) }]
      : [];
  });
}

function readTableState(message: NetlinkMessage): TableState {
  const read = (type: number) => readNumber(message.body, attributesOf(message), type);
  return {
    flags: read(attributes.flags),
    use: read(attributes.use),
    owner: read(attributes.owner),
  };
}

function nameBytes(table: OwnTable): Uint8Array {
  return new TextEncoder().encode(`${table.name}\0`);
}

function bigEndian32(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}
