import { lengthOfNetmask, parseAddress, toBits } from "../base/address.ts";
import { parseMac } from "../base/mac.ts";
import type { AttributeType } from "./filter-protocols.ts";

/** In the order in which libvirt writes them. */
const states = ["NEW", "ESTABLISHED", "RELATED", "INVALID"];
const tcpFlags = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];

/**
 * The canonical text of an attribute's value, of a literal and of a variable's value alike; undefined if the attribute cannot hold
 * it. Equal values have equal texts: numbers in decimal or as their word, addresses as in `base`, masks as lengths (a MAC's as a MAC).
 */
export function parseAttributeValue(type: AttributeType, text: string): string | undefined {
  return type.kind === "number" ? number(type, text) : parsers[type.kind](text);
}

/** What an attribute of that type takes, in words. */
export function attributeTypeWords(type: AttributeType): string {
  if (type.kind !== "number") return descriptions[type.kind];
  const words = [...(type.words?.keys() ?? [])].map((word) => `, ${word}`);
  return `a number from ${type.min ?? 0} to ${type.max}${words.join("")}`;
}

const descriptions = {
  mac: "a MAC address",
  "mac-mask": "a MAC mask of leading ones, as ff:ff:ff:00:00:00",
  ipv4: "an IPv4 address",
  ipv6: "an IPv6 address",
  "ipv4-mask": "a length from 0 to 32 or a netmask",
  "ipv6-mask": "a length from 0 to 128 or a netmask",
  boolean: "true or false",
  state: "NEW, ESTABLISHED, RELATED and INVALID with commas between, or NONE",
  "tcp-flags":
    "MASK/FLAGS, each of SYN, ACK, URG, PSH, FIN and RST with commas between, or ALL or NONE",
  "ipset-name": "the name of a set, of up to 31 characters",
  "ipset-flags": "src or dst, up to six of them with commas between",
} as const satisfies Record<Exclude<AttributeType["kind"], "number">, string>;

const parsers = {
  mac,
  "mac-mask": macMask,
  ipv4: (text) => address("ipv4", text),
  ipv6: (text) => address("ipv6", text),
  "ipv4-mask": (text) => maskLength(text, 32) ?? dottedMask(text),
  "ipv6-mask": (text) => maskLength(text, 128) ?? colonMask(text),
  boolean,
  state,
  "tcp-flags": tcpFlagsOf,
  "ipset-name": (text) => (/^[A-Za-z0-9_.:+ -]{1,31}$/.test(text) ? text : undefined),
  "ipset-flags": (text) =>
    /^(src|dst)(,(src|dst)){0,5}$/i.test(text) ? text.toLowerCase() : undefined,
} as const satisfies Record<
  Exclude<AttributeType["kind"], "number">,
  (text: string) => string | undefined
>;

type NumberType = Extract<AttributeType, { kind: "number" }>;

function number(type: NumberType, text: string): string | undefined {
  const words = [...(type.words ?? [])];
  const word = words.find(([name]) => name.toLowerCase() === text.toLowerCase());
  if (word !== undefined) return word[0];
  if (!/^([0-9]+|0x[0-9a-f]+)$/i.test(text)) return undefined;
  const value = Number(text);
  if (value < (type.min ?? 0) || value > type.max) return undefined;
  return words.find(([, known]) => known === value)?.[0] ?? String(value);
}

/** libvirt takes bytes of one digit too (virMacAddrParse). */
function mac(text: string): string | undefined {
  return /^([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}$/i.test(text)
    ? parseMac(text.replace(/[0-9a-f]+/gi, (byte) => byte.padStart(2, "0")))
    : undefined;
}

function macMask(text: string): string | undefined {
  const mask = mac(text);
  const bits = BigInt(`0x${(mask ?? "0").replaceAll(":", "")}`)
    .toString(2)
    .padStart(48, "0");
  return /^1*0*$/.test(bits) ? mask : undefined;
}

function address(kind: "ipv4" | "ipv6", text: string): string | undefined {
  const parsed = parseAddress(text);
  return parsed !== undefined && parsed.includes(":") === (kind === "ipv6") ? parsed : undefined;
}

function maskLength(text: string, longest: number): string | undefined {
  return /^[0-9]{1,3}$/.test(text) && Number(text) <= longest ? String(Number(text)) : undefined;
}

function dottedMask(text: string): string | undefined {
  return lengthOfNetmask(text)?.toString();
}

function colonMask(text: string): string | undefined {
  const mask = address("ipv6", text);
  if (mask === undefined) return undefined;
  const bits = toBits(mask).toString(2).padStart(128, "0");
  return /^1*0*$/.test(bits) ? String(bits.lastIndexOf("1") + 1) : undefined;
}

function boolean(text: string): string | undefined {
  if (["true", "yes", "1"].includes(text)) return "true";
  return ["false", "no", "0"].includes(text) ? "false" : undefined;
}

/** `NONE` stands alone. */
function state(text: string): string | undefined {
  if (text.toUpperCase() === "NONE") return "NONE";
  return listOf(text, states)?.join(",");
}

/** `MASK/FLAGS`. */
function tcpFlagsOf(text: string): string | undefined {
  const [mask, flags, ...rest] = text.split("/").map(flagList);
  return mask === undefined || flags === undefined || rest.length > 0
    ? undefined
    : `${mask}/${flags}`;
}

function flagList(text: string): string | undefined {
  const upper = text.toUpperCase();
  if (upper === "ALL" || upper === "NONE") return upper;
  const flags = listOf(text, tcpFlags);
  return flags?.length === tcpFlags.length ? "ALL" : flags?.join(",");
}

/** The known words of a list with commas, each once and in the order known. */
function listOf(text: string, known: readonly string[]): string[] | undefined {
  const words = text.toUpperCase().split(",");
  return words.every((word) => known.includes(word))
    ? known.filter((word) => words.includes(word))
    : undefined;
}
