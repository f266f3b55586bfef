import { familyOf, parseAddress } from "../base/address.ts";
import { parseInterfaceName } from "../base/interface-name.ts";
import { parseMac } from "../base/mac.ts";
import { wildcardIfname } from "./datatype.ts";

/**
 * The only place where a string becomes nft text. nft has no escape inside quotes, so what is not harmless there cannot be said
 * in nft at all; and it asks DNS for a word where it expects an address. A string that fails here should have been refused by
 * `parse` or shortened by `compile`: this error is a bug.
 */
export class UnprintableText extends Error {
  override readonly name = "UnprintableText";

  constructor(what: string, text: string) {
    super(`not printable as nft ${what}: ${JSON.stringify(text)}`);
  }
}

/** What a comment or a log prefix may hold. */
const quotable = /^[A-Za-z0-9 _.:/@+,=-]+$/;

export const commentBytes = 128;
export const logPrefixBytes = 127;
/** Less than the kernel takes, so that every nft can list it. */
export const nameBytes = 31;
/** NFT_NAME_MAXLEN of the kernel, less the closing zero. */
const foreignNameBytes = 255;

export function printComment(text: string): string {
  return quote("comment", text, commentBytes);
}

export function printLogPrefix(text: string): string {
  return quote("log prefix", text, logPrefixBytes);
}

function quote(what: string, text: string, bytes: number): string {
  if (!quotable.test(text) || text.length > bytes) throw new UnprintableText(what, text);
  return `"${text}"`;
}

/**
 * The name of a table, chain or set, unquoted: nft takes no quotes there. A keyword of nft passes here and is refused by nft's
 * grammar, so names need a part that no keyword has.
 */
export function printName(text: string): string {
  return name(text, nameBytes);
}

/** The name of what another hand made and we only remove. */
export function printForeignName(text: string): string {
  return name(text, foreignNameBytes);
}

function name(text: string, bytes: number): string {
  if (!/^[A-Za-z_][A-Za-z0-9_./-]*$/.test(text) || text.length > bytes) {
    throw new UnprintableText("name", text);
  }
  return text;
}

/** A word of nft's own: a protocol, a field, a flag. Several words for `ip saddr`. */
export function printWord(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]*( [a-z0-9_-]+)*$/.test(text)) {
    throw new UnprintableText("word", text);
  }
  return text;
}

/** A constant of the given datatype; `address` stands for an address of either family. */
export function printValue(value: string | number, type: string): string {
  if (typeof value === "number") return printNumber(value, type);
  switch (type) {
    case "ifname":
    case "iface_index":
    case "ifkind":
      return printInterface(value);
    case wildcardIfname:
      return value.endsWith("*") ? `"${stem(value)}*"` : printInterface(value);
    case "ipv4_addr":
      return printAddress(value, 4);
    case "ipv6_addr":
      return printAddress(value, 6);
    case "address":
      return parseAddress(value) ?? refuse("address", value);
    case "ether_addr":
      return parseMac(value) ?? refuse("MAC address", value);
    default:
      return printWord(value);
  }
}

export function printPrefix(address: string, length: number): string {
  const parsed = parseAddress(address) ?? refuse("address", address);
  const width = familyOf(parsed) === 4 ? 32 : 128;
  if (!Number.isInteger(length) || length < 0 || length > width) {
    throw new UnprintableText("prefix length", String(length));
  }
  return `${parsed}/${length}`;
}

/** Types whose numbers nft lists in hex. */
const hexDigits = new Map([
  ["mark", 8],
  ["ether_type", 4],
  ["raw", 0],
]);

export function printNumber(value: number, type = "integer"): string {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new UnprintableText("number", String(value));
  }
  const digits = hexDigits.get(type);
  return digits === undefined ? String(value) : `0x${value.toString(16).padStart(digits, "0")}`;
}

function printInterface(text: string): string {
  return `"${parseInterfaceName(text) ?? refuse("interface name", text)}"`;
}

/** The part before the star takes at most 14 of the 15 bytes of an interface name. */
function stem(text: string): string {
  const name = parseInterfaceName(text.slice(0, -1));
  if (name === undefined || text.length > 15) throw new UnprintableText("interface name", text);
  return name;
}

function printAddress(text: string, family: 4 | 6): string {
  const address = parseAddress(text);
  if (address === undefined || familyOf(address) !== family) {
    throw new UnprintableText(`IPv${family} address`, text);
  }
  return address;
}

function refuse(what: string, text: string): never {
  throw new UnprintableText(what, text);
}
