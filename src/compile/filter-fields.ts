import { formatAddress, parseAddress, toBits, type Family } from "../base/address.ts";
import { filterProtocols } from "../model/filter-protocols.ts";
import type { Resolved } from "../model/filter-values.ts";
import type { Expression, Statement } from "../nft/ast.ts";
import {
  equal,
  l4proto,
  masked,
  notEqual,
  payload,
  prefix,
  range,
  raw,
  tcpOption,
  value,
} from "../nft/build.ts";

/** How one attribute of a filter's rule is asked of a frame. */
export interface Field {
  readonly left: Expression;
  readonly form:
    | "mac"
    | "raw-mac"
    | "ipv4"
    | "ipv6"
    | "raw-ipv4"
    | "number"
    | "dscp"
    | "tcp-flags"
    | "tcp-option"
    | "ether-type";
  /** nft's datatype where values can be elements of a named set. */
  readonly setType?: string;
  /** Where the match stands in its rule; see `inOrder`. */
  readonly order: number;
}

/** A statement with its place among the others of its rule. */
export interface Placed {
  readonly order: number;
  readonly statement: Statement;
}

/**
 * The order in which nft leaves a rule as it is. Behind `ether type ip` nft hides or renames what follows from it, so that what it
 * lists would match VLAN-tagged frames once loaded again: so the type of the frame stands last.
 */
export function inOrder(placed: readonly Placed[]): Statement[] {
  return placed.toSorted((a, b) => a.order - b.order).map(({ statement }) => statement);
}

const ranks = { raw: 1, th: 2, nh: 3, l4proto: 4, ll: 5 };
const rank = (base: keyof typeof ranks, offset = 0) => ranks[base] * 1000 - offset;

export const orderOfType = rank("ll", 96);
/** Behind all that is asked: what comes so far counts. */
export const orderOfCount = rank("ll", 0) + 1;
export const orderOfProtocol = rank("l4proto");

const ethernet = (side: Side): Field => ({
  left: payload("ether", side === "src" ? "saddr" : "daddr"),
  form: "mac",
  setType: "ether_addr",
  order: rank("ll", side === "src" ? 102 : 101),
});

const etherTypeField: Field = {
  left: payload("ether", "type"),
  form: "ether-type",
  order: orderOfType,
};

type Side = "src" | "dst";
const other = (side: Side): Side => (side === "src" ? "dst" : "src");

/** The field of an attribute, seen from the receiver's end of the packet where `isReversed`. */
export function fieldOf(
  protocol: string,
  attribute: string,
  isReversed: boolean,
): Field | undefined {
  const sided = /^(arp)?(src|dst)(mac|ip|port)/.exec(attribute);
  if (sided) {
    const [, arp, written, what] = sided;
    const side = isReversed ? other(written as Side) : (written as Side);
    if (arp !== undefined) return arpAddress(protocol, what ?? "", side);
    if (what === "mac") return ethernet(side);
    return what === "port" ? port(side) : ipAddress(protocol, side);
  }
  switch (protocol) {
    case "mac":
      return etherTypeField;
    case "vlan":
      return vlanField(attribute);
    case "stp":
      return stpField(attribute);
    case "arp":
    case "rarp":
      return arpField(attribute);
    default:
      return ipField(protocol, attribute);
  }
}

function port(side: Side): Field {
  const [name, offset] = side === "src" ? ["sport", 0] : ["dport", 16];
  return {
    left: payload("th", name),
    form: "number",
    setType: "inet_service",
    order: rank("th", offset),
  };
}

export const familyOfProtocol = (protocol: string): Family =>
  filterProtocols.get(protocol)?.attributes.get("srcipaddr")?.kind === "ipv6" ? 6 : 4;

export function ipAddress(protocol: string, side: Side): Field {
  const family = familyOfProtocol(protocol);
  const name = side === "src" ? "saddr" : "daddr";
  const form = `ipv${family}` as const;
  const left = payload(family === 4 ? "ip" : "ip6", name);
  return { left, form, setType: `${form}_addr`, order: rank("nh", side === "src" ? 64 : 192) };
}

/** nft knows no RARP, whose frames look like those of ARP. */
function arpAddress(protocol: string, what: string, side: Side): Field {
  const isMac = what === "mac";
  const offset = (side === "src" ? 64 : 144) + (isMac ? 0 : 48);
  const order = rank("nh", offset);
  if (protocol === "rarp") {
    return isMac
      ? { left: raw("nh", offset, 48), form: "raw-mac", setType: "integer", order }
      : { left: raw("nh", offset, 32), form: "raw-ipv4", setType: "integer", order };
  }
  const left = payload("arp", `${side === "src" ? "saddr" : "daddr"} ${isMac ? "ether" : "ip"}`);
  return isMac
    ? { left, form: "mac", setType: "ether_addr", order }
    : { left, form: "ipv4", setType: "ipv4_addr", order };
}

/** A field for an address that is learned: raw payload where it is one of IPv4. */
export function learnedField(
  protocol: string,
  attribute: string,
  isReversed: boolean,
): { readonly left: Expression; readonly order: number } {
  const isSource = attribute.includes("src") !== isReversed;
  if (attribute.startsWith("arp")) return rawField(isSource ? 112 : 192);
  if (familyOfProtocol(protocol) === 4) return rawField(isSource ? 96 : 128);
  return ipAddress(protocol, isSource ? "src" : "dst");
}

function rawField(offset: number) {
  return { left: raw("nh", offset, 32), order: rank("raw", offset) };
}

const arpOffsets: Readonly<Record<string, number>> = { hwtype: 0, protocoltype: 16, opcode: 48 };

function arpField(attribute: string): Field | undefined {
  const offset = arpOffsets[attribute];
  if (offset === undefined) return undefined;
  return { left: raw("nh", offset, 16), form: "number", order: rank("raw", offset) };
}

function vlanField(attribute: string): Field {
  return attribute === "vlanid"
    ? { left: payload("vlan", "id"), form: "number", order: rank("ll", 100) }
    : { left: raw("ll", 128, 16), form: "number", order: rank("ll", 128) };
}

/** Offset and length in bits, behind the three bytes of LLC (linux/net/bridge/netfilter/ebt_stp.c). */
const stpFields: Readonly<Record<string, readonly [number, number]>> = {
  type: [48, 8],
  flags: [56, 8],
  "root-priority": [64, 16],
  "root-address": [80, 48],
  "root-cost": [128, 32],
  "sender-priority": [160, 16],
  "sender-address": [176, 48],
  port: [224, 16],
  age: [240, 16],
  "max-age": [256, 16],
  "hello-time": [272, 16],
  "forward-delay": [288, 16],
};

function stpField(attribute: string): Field | undefined {
  const found = stpFields[attribute];
  if (found === undefined) return undefined;
  const form = attribute.endsWith("-address") ? "raw-mac" : "number";
  return { left: raw("nh", ...found), form, order: rank("nh", found[0]) };
}

function ipField(protocol: string, attribute: string): Field | undefined {
  switch (attribute) {
    case "protocol":
      return { left: l4proto, form: "number", setType: "inet_proto", order: orderOfProtocol };
    case "dscp":
      return familyOfProtocol(protocol) === 4
        ? { left: raw("nh", 8, 8), form: "dscp", order: rank("raw", 8) }
        : { left: payload("ip6", "dscp"), form: "number", order: rank("nh", 4) };
    case "flags":
      return { left: raw("th", 104, 8), form: "tcp-flags", order: rank("th", 104) };
    case "option":
      // Its kind is in the selector: see `matchOf`.
      return { left: tcpOption(0), form: "tcp-option", order: rank("th", 200) };
    case "type":
      return { left: raw("th", 0, 8), form: "number", order: rank("th", 0) };
    case "code":
      return { left: raw("th", 8, 8), form: "number", order: rank("th", 8) };
    default:
      return undefined;
  }
}

/** The match of values that are known; undefined where every packet matches. */
export function matchOf(field: Field, resolved: Resolved, protocol: string): Statement | undefined {
  const { isNegated } = resolved.condition;
  const compare = isNegated ? notEqual : equal;
  if (field.form === "dscp") {
    const bits = Number(resolved.value) << 2;
    return compare(masked(field.left, value(0xfc)), value(bits));
  }
  if (field.form === "tcp-flags") {
    const [mask = 0, flags = 0] = resolved.value.split("/").map(tcpFlagBits);
    return compare(masked(field.left, value(mask)), value(flags & mask));
  }
  if (field.form === "tcp-option") {
    return equal(tcpOption(Number(resolved.value)), value(isNegated ? "missing" : "exists"));
  }
  const mask = maskOf(field, resolved);
  if (mask !== undefined) {
    const bits = bitsOf(field.form, resolved.value) & mask;
    return compare(masked(field.left, bitsAs(field.form, mask)), bitsAs(field.form, bits));
  }
  if (!isNegated && isEverything(field, resolved)) return undefined;
  return compare(field.left, constantOf(field, resolved, protocol));
}

function isEverything(field: Field, { more }: Resolved): boolean {
  return field.form.startsWith("ipv") && more === "0";
}

/** The values as nft has them on the right of a match, and as a field of an element. */
export function constantOf(field: Field, resolved: Resolved, protocol: string): Expression {
  const { value: text, more, condition } = resolved;
  switch (field.form) {
    case "mac":
      return value(text);
    case "raw-mac":
      return value(Number(macBits(text)));
    case "ipv4":
    case "ipv6":
      return addressOf(text, more, condition.more?.attribute.endsWith("to") === true);
    case "raw-ipv4":
      return value(Number(toBits(text)));
    case "ether-type":
      return etherType(numberOf(protocol, condition.attribute, text));
    default: {
      const first = numberOf(protocol, condition.attribute, text);
      if (more === undefined) return value(first);
      const last = numberOf(protocol, condition.more?.attribute ?? "", more);
      return first === last ? value(first) : range(first, last);
    }
  }
}

function addressOf(text: string, more: string | undefined, isRange: boolean): Expression {
  if (more === undefined || more === text) return value(text);
  if (isRange) return range(text, more);
  const address = parseAddress(text);
  if (address === undefined) return value(text);
  const family: Family = address.includes(":") ? 6 : 4;
  const width = family === 4 ? 32 : 128;
  const length = Number(more);
  if (length === width) return value(text);
  const host = BigInt(width - length);
  return prefix(formatAddress(family, (toBits(address) >> host) << host), length);
}

/** The number of a canonical text, which may be a word. */
export function numberOf(protocol: string, attribute: string, text: string): number {
  const type = filterProtocols.get(protocol)?.attributes.get(attribute);
  const word = type?.kind === "number" ? type.words?.get(text) : undefined;
  return word ?? Number(text);
}

const etherTypes = new Map<number, string>([
  [0x0800, "ip"],
  [0x0806, "arp"],
  [0x86dd, "ip6"],
  [0x8100, "8021q"],
  [0x88a8, "8021ad"],
]);

export function etherType(number: number): Expression {
  return value(etherTypes.get(number) ?? number);
}

const chainTypes: readonly (readonly [string, number])[] = [
  ["ipv4", 0x0800],
  ["ipv6", 0x86dd],
  ["arp", 0x0806],
  ["rarp", 0x8035],
  ["vlan", 0x8100],
];

/** The type of the frames that go through one of libvirt's chains, by its prefix; undefined where any does. */
export function etherTypeOfChain(chain: string): number | undefined {
  return chainTypes.find(([prefix]) => chain.startsWith(prefix))?.[1];
}

const tcpFlags = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];

function tcpFlagBits(text: string): number {
  if (text === "ALL") return 0x3f;
  if (text === "NONE") return 0;
  return text.split(",").reduce((bits, flag) => bits | (1 << tcpFlags.indexOf(flag)), 0);
}

/** A mask that nft has no shorter word for. */
function maskOf({ form }: Field, { more }: Resolved): bigint | undefined {
  if (more === undefined) return undefined;
  if (form === "mac" || form === "raw-mac") return macBits(more);
  if (form !== "raw-ipv4") return undefined;
  return (0xffffffffn << BigInt(32 - Number(more))) & 0xffffffffn;
}

function bitsOf(form: Field["form"], text: string): bigint {
  return form === "raw-ipv4" ? toBits(text) : macBits(text);
}

function bitsAs(form: Field["form"], bits: bigint): Expression {
  if (form !== "mac") return value(Number(bits));
  return value(bits.toString(16).padStart(12, "0").match(/../g)?.join(":") ?? "");
}

function macBits(mac: string): bigint {
  return BigInt(`0x${mac.replaceAll(":", "")}`);
}
