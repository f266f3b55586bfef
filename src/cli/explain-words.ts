import { familyOf, parseAddress, toBits, type Address, type Family } from "../base/address.ts";
import { nearest } from "../base/nearest.ts";
import { addressFacing, type Question } from "../explain/question.ts";
import { type KnownNic, macBits } from "../explain/read-host.ts";
import type { Ground } from "../explain/walk.ts";
import { ComplaintError, UsageError } from "./exit-status.ts";

/** As typed. */
export interface Words {
  readonly protocol: string;
  readonly from: string;
  readonly to: string;
}

/** What explain is asked. */
export interface Asked extends Pick<Question, "iif" | "state"> {
  readonly words: Words;
  readonly mac?: string;
}

const protocols = ["tcp", "udp", "icmp"] as const;

interface End {
  /** Candidates, of either family. */
  readonly who: "host" | "world" | readonly Address[];
  readonly port?: number;
}

/** A guest that nobody can ask about now. */
export interface MissingGuest {
  readonly guest: string;
  /** Absent: it does not run; else the nic of which no address is known. */
  readonly mac?: string;
}

/** What the words ask. Throws {@link UsageError} for those that ask nothing, {@link ComplaintError} for a guest of whom nobody knows. */
export function readQuestion(
  { words, mac, ...how }: Asked,
  { ground, nics, guests }: { ground: Ground } & Inventory,
): Question | MissingGuest {
  const protocol = protocols.find((each) => each === words.protocol);
  if (protocol === undefined) {
    throw new UsageError(`${words.protocol} is no protocol; say ${protocols.join(", ")}`);
  }
  const from = readEnd(words.from, { nics, guests });
  const to = readEnd(words.to, { nics, guests });
  if ("guest" in from) return from;
  if ("guest" in to) return to;
  const hasPort = to.port !== undefined || (protocol === "icmp" && from.port !== undefined);
  if (hasPort === (protocol === "icmp")) {
    throw new UsageError(protocol === "icmp" ? "icmp has no ports" : withoutPort(words.to));
  }
  const family = familyBetween(from, to, words);
  const sender = bitsOf(from, family);
  const rest = {
    protocol,
    family,
    from: sender,
    ...(to.port !== undefined && { port: to.port }),
    ...(from.port !== undefined && { sourcePort: from.port }),
    ...(mac !== undefined && { mac: readMac(mac) }),
    ...how,
  };
  const receiver = bitsOf(to, family);
  if (receiver !== "host") return { ...rest, to: receiver };
  const own = addressFacing(ground, rest);
  if (own === undefined) throw new UsageError("which of its addresses? name one in place of host");
  return { ...rest, to: own };
}

function withoutPort(text: string): string {
  const end = parseAddress(text)?.includes(":") ? `[${text}]` : text;
  return `${text} has no port; say ${end}:80`;
}

function readMac(text: string): bigint {
  const bits = macBits(text);
  if (bits === undefined) throw new UsageError(`${text} is no MAC address; say 52:54:00:12:34:56`);
  return bits;
}

interface Inventory {
  readonly nics: readonly KnownNic[];
  readonly guests: readonly string[];
}

function readEnd(text: string, { nics, guests }: Inventory): End | MissingGuest {
  const { name, port } = splitPort(text);
  if (name === "host" || name === "world") return { who: name, ...port };
  if (name.startsWith("guest:")) {
    const guest = name.slice("guest:".length);
    const own = nics.filter((nic) => nic.guest === guest);
    const [first] = own;
    if (first === undefined) return missing(guest, guests);
    const addresses = own.flatMap((nic) => nic.addresses).map(parseAddress);
    const known = addresses.filter((address) => address !== undefined);
    if (known.length === 0) return { guest, mac: first.mac };
    return { who: known, ...port };
  }
  const address = parseAddress(name.replace(/^\[(.*)\]$/, "$1"));
  if (address === undefined) {
    throw new UsageError(`${text} is no address, guest:NAME, host or world`);
  }
  return { who: [address], ...port };
}

function missing(guest: string, guests: readonly string[]): MissingGuest {
  if (guests.includes(guest)) return { guest };
  const near = nearest(guest, guests);
  const hint = near === undefined ? "" : `; did you mean ${near}?`;
  throw new ComplaintError(`there is no guest ${guest} that runs or that the policy names${hint}`);
}

/** `203.0.113.10:443`, `[2001:db8::1]:443`, `guest:web1:443`; an IPv6 address without brackets has no port. */
function splitPort(text: string): { name: string; port: { port?: number } } {
  const match = /^(\[[^\]]*\]|guest:[^:]+|[^:[\]]+):(\d{1,5})$/.exec(text);
  if (match === null) return { name: text, port: {} };
  const port = Number(match[2]);
  if (port < 1 || port > 65535) throw new UsageError(`${port} is no port`);
  return { name: match[1] ?? "", port: { port } };
}

function familyBetween(from: End, to: End, words: Words): Family {
  const both = [familiesOf(from), familiesOf(to)];
  const family = ([4, 6] as const).find((each) => both.every((families) => families.has(each)));
  if (family !== undefined) return family;
  throw new UsageError(`${words.from} and ${words.to} have no IP family in common`);
}

function familiesOf({ who }: End): ReadonlySet<Family> {
  return typeof who === "string" ? new Set([4, 6]) : new Set(who.map(familyOf));
}

function bitsOf({ who }: End, family: Family): bigint | "host" | "world" {
  if (typeof who === "string") return who;
  const address = who.find((each) => familyOf(each) === family);
  return address === undefined ? "world" : toBits(address);
}
