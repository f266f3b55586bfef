import { endianness } from "node:os";

/** What every nfnetlink message is made of. Numbers are those of linux/netlink.h and linux/netfilter/nfnetlink.h. */

export interface MessageHead {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly family: number;
  readonly resource?: number;
}

export interface NetlinkMessage {
  readonly type: number;
  readonly sequence: number;
  /** What follows the netlink header: for nfnetlink four bytes, the first of them the family, and then attributes. */
  readonly body: DataView;
}

const littleEndian = endianness() === "LE";
const headerBytes = 16;
const familyHeaderBytes = 4;
const attributeHeaderBytes = 4;
const requestFlag = 1;

export const errorType = 2;
export const doneType = 3;
export const acknowledge = 4;
export const dump = 0x300;

export function printMessage(head: MessageHead, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headerBytes + familyHeaderBytes + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, littleEndian);
  view.setUint16(4, head.type, littleEndian);
  view.setUint16(6, head.flags | requestFlag, littleEndian);
  view.setUint32(8, head.sequence, littleEndian);
  view.setUint8(headerBytes, head.family);
  view.setUint16(headerBytes + 2, head.resource ?? 0);
  bytes.set(body, headerBytes + familyHeaderBytes);
  return bytes;
}

export function printAttribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(aligned(attributeHeaderBytes + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, attributeHeaderBytes + value.length, littleEndian);
  view.setUint16(2, type, littleEndian);
  bytes.set(value, attributeHeaderBytes);
  return bytes;
}

/** The messages in one datagram of the kernel, up to the first that is cut off. */
export function readMessages(datagram: Uint8Array): readonly NetlinkMessage[] {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const messages: NetlinkMessage[] = [];
  let offset = 0;
  while (offset + headerBytes <= view.byteLength) {
    const length = view.getUint32(offset, littleEndian);
    if (length < headerBytes || offset + length > view.byteLength) break;
    messages.push({
      type: view.getUint16(offset + 4, littleEndian),
      sequence: view.getUint32(offset + 8, littleEndian),
      body: new DataView(view.buffer, view.byteOffset + offset + headerBytes, length - headerBytes),
    });
    offset += aligned(length);
  }
  return messages;
}

/** The errno of an error or a done message, 0 for success. */
export function readErrno({ body }: NetlinkMessage): number {
  return body.byteLength < 4 ? 0 : -body.getInt32(0, littleEndian);
}

/** Where in a message something stands; the end is the first byte after it. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The attributes of an nfnetlink message. */
export function attributesOf({ body }: NetlinkMessage): Span {
  return { start: familyHeaderBytes, end: body.byteLength };
}

/** The value of the first attribute of the type; undefined where there is none before the first that is cut off. */
export function findAttribute(view: DataView, within: Span, type: number): Span | undefined {
  let offset = within.start;
  while (offset + attributeHeaderBytes <= within.end) {
    const length = view.getUint16(offset, littleEndian);
    if (length < attributeHeaderBytes || offset + length > within.end) return undefined;
    // The two highest bits of the type say "nested" and "network byte order".
    if ((view.getUint16(offset + 2, littleEndian) & 0x3fff) === type) {
      return { start: offset + attributeHeaderBytes, end: offset + length };
    }
    offset += aligned(length);
  }
  return undefined;
}

/** The number in an attribute of four bytes, 0 where it is not there. */
export function readNumber(view: DataView, within: Span, type: number): number {
  const span = findAttribute(view, within, type);
  return span !== undefined && span.end - span.start === 4 ? view.getUint32(span.start) : 0;
}

/** The bytes of an attribute, header and padding included. */
export function wholeAttribute(view: DataView, value: Span): Uint8Array {
  const start = value.start - attributeHeaderBytes;
  const bytes = new Uint8Array(aligned(value.end - start));
  bytes.set(new Uint8Array(view.buffer, view.byteOffset + start, value.end - start));
  return bytes;
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((total, each) => total + each.length, 0));
  let offset = 0;
  for (const each of parts) {
    bytes.set(each, offset);
    offset += each.length;
  }
  return bytes;
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}
