import { isIPv4, isIPv6 } from "node:net";

export type Family = 4 | 6;

/**
 * An IPv4 or IPv6 address in canonical text (RFC 5952 for IPv6), so that equal addresses are equal strings.
 * Made by {@link parseAddress} only.
 */
export type Address = string & { readonly brand: "Address" };

/** A network prefix, host bits cleared. `text` is canonical: `10.0.0.0/8`, `2001:db8::/32`. */
export interface Prefix {
  readonly family: Family;
  readonly address: Address;
  readonly length: number;
}

/** Both ends of one family, and the first not above the last. */
export interface AddressRange {
  readonly first: Address;
  readonly last: Address;
}

export function familyOf(address: Address): Family {
  return address.includes(":") ? 6 : 4;
}

/** Strict: no zone id, no octal, no host name; undefined for anything else. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return text as Address;
  if (!isIPv6(text) || text.includes("%")) return undefined;
  return readIpv6(text).address;
}

/** `10.0.0.0/8` or a bare address (length 32 or 128). Host bits set are refused, not cleared. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf("/");
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const width = familyOf(address) === 4 ? 32 : 128;
  const lengthText = slash < 0 ? String(width) : text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(lengthText)) return undefined;
  const length = Number(lengthText);
  if (length > width) return undefined;
  const prefix = prefixOf(address, length);
  return prefix.address === address ? prefix : undefined;
}

/** The prefix of the given length that holds the address. */
export function prefixOf(address: Address, length: number): Prefix {
  const family = familyOf(address);
  const width = family === 4 ? 32 : 128;
  const shift = BigInt(width - length);
  return { family, address: formatAddress(family, (toBits(address) >> shift) << shift), length };
}

export function formatPrefix(prefix: Prefix): string {
  return `${prefix.address}/${prefix.length}`;
}

export function prefixContains(prefix: Prefix, address: Address): boolean {
  return (
    familyOf(address) === prefix.family &&
    prefixOf(address, prefix.length).address === prefix.address
  );
}

/** Orders IPv4 before IPv6, then by value: the order in which nft lists set elements of one family. */
export function compareAddresses(a: Address, b: Address): number {
  const family = familyOf(a) - familyOf(b);
  if (family !== 0) return family;
  const [x, y] = [toBits(a), toBits(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** `10.0.0.7-10.0.0.9` or a bare address. */
export function parseAddressRange(text: string): AddressRange | undefined {
  const [firstText = "", lastText = firstText, ...more] = text.split("-");
  const first = parseAddress(firstText);
  const last = parseAddress(lastText);
  if (first === undefined || last === undefined || more.length > 0) return undefined;
  const isRange = familyOf(first) === familyOf(last) && compareAddresses(first, last) <= 0;
  return isRange ? { first, last } : undefined;
}

export function formatAddressRange({ first, last }: AddressRange): string {
  return first === last ? first : `${first}-${last}`;
}

/** The prefix length of a dotted IPv4 netmask; undefined if the mask is not contiguous. */
export function lengthOfNetmask(mask: string): number | undefined {
  if (!isIPv4(mask)) return undefined;
  const bits = toBits(mask).toString(2).padStart(32, "0");
  return /^1*0*$/.test(bits) ? bits.lastIndexOf("1") + 1 : undefined;
}

/** The value of a valid address of either family. */
export function toBits(text: string): bigint {
  if (isIPv4(text)) return text.split(".").reduce((bits, byte) => (bits << 8n) | BigInt(byte), 0n);
  return readIpv6(text).bits;
}

interface Ipv6 {
  readonly address: Address;
  readonly bits: bigint;
}

/** A ruleset names few addresses many times, and reading one costs thirty times as much as looking it up. */
const known = new Map<string, Ipv6>();
const mostKnown = 10_000;

function readIpv6(text: string): Ipv6 {
  const before = known.get(text);
  if (before !== undefined) return before;
  const bits = bitsOfIpv6(text);
  const read = { address: formatAddress(6, bits), bits };
  if (known.size >= mostKnown) known.clear();
  known.set(text, read);
  return read;
}

function bitsOfIpv6(text: string): bigint {
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const plain = tail ? `${tail[1]}${embeddedIpv4(tail[2] ?? "")}` : text;
  const [head = "", rest] = plain.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = rest === undefined || rest === "" ? [] : rest.split(":");
  const zeros = Array<string>(8 - front.length - back.length).fill("0");
  return [...front, ...zeros, ...back].reduce(
    (bits, word) => (bits << 16n) | BigInt(`0x${word}`),
    0n,
  );
}

function embeddedIpv4(text: string): string {
  const bits = toBits(text);
  return `${(bits >> 16n).toString(16)}:${(bits & 0xffffn).toString(16)}`;
}

/** The address of the family with that value. */
export function formatAddress(family: Family, bits: bigint): Address {
  if (family === 4) {
    return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 0xffn).join(".") as Address;
  }
  const words = Array.from({ length: 8 }, (_, i) => (bits >> BigInt(112 - 16 * i)) & 0xffffn);
  return compress(words.map((word) => word.toString(16))) as Address;
}

/** RFC 5952 4.2: the longest run of two or more zero words becomes `::`, the first one on a tie. */
function compress(words: string[]): string {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= words.length; i++) {
    if (words[i] === "0") continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  if (best.length < 2) return words.join(":");
  const head = words.slice(0, best.start).join(":");
  const tail = words.slice(best.start + best.length).join(":");
  return `${head}::${tail}`;
}
