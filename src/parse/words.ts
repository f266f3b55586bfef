import {
  formatPrefix,
  parseAddress,
  parseAddressRange,
  parsePrefix,
  prefixOf,
} from "../base/address.ts";
import { parseInterfaceName } from "../base/interface-name.ts";
import { parseMac } from "../base/mac.ts";
import { nearest } from "../base/nearest.ts";
import { formatPortRange, parsePortRange, portProtocols } from "../base/port.ts";
import { quote } from "../base/quote.ts";
import { accept, refuse } from "./parsed.ts";
import type { Address, AddressRange, Prefix } from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { Mac } from "../base/mac.ts";
import type { PortProtocol, PortRange } from "../base/port.ts";
import type { Limit, Peer, PortMapping, Service } from "../model/policy.ts";
import type { Parsed } from "./parsed.ts";

/** Without its place, which no word knows. */
export type Unplaced<Thing> = Thing extends unknown ? Omit<Thing, "at"> : never;

/** Words that stand for a peer by themselves, so that no alias can have them as its name. */
const reservedNames: readonly string[] = ["any", "host"];

/** `tcp/80`, `udp/5000-5010`, `tcp`, `icmp`, `any`. */
export function parseService(text: string): Parsed<Service> {
  if (text === "any") return accept({ kind: "any" });
  if (text === "icmp" || isPortProtocol(text)) return accept({ kind: "protocol", protocol: text });
  const [protocol = "", ports, ...rest] = text.split("/");
  if (ports === undefined || rest.length > 0 || !isPortProtocol(protocol)) {
    return refuse(`${quote(text)} is not a service`, serviceHint(text));
  }
  const range = parsePortRange(ports);
  return range === undefined
    ? refuse(`${quote(text)} has no valid port: ${portFault(ports)}`, portHint(protocol, ports))
    : accept({ kind: "ports", protocol, ports: range });
}

/** `tcp/80`, `tcp/2222:22`, `udp/5000-5010:6000-6010`. Without a guest port the guest's ports are the public ones. */
export function parseMapping(text: string): Parsed<Unplaced<PortMapping>> {
  const [protocol = "", ports, ...rest] = text.split("/");
  if (ports === undefined || rest.length > 0 || !isPortProtocol(protocol)) {
    const hint = serviceHint(text) ?? "";
    // What has no port is a service, and nothing to publish.
    const isPort = /\/[0-9]|did you mean/.test(hint) && !/\bany\b/.test(hint);
    return refuse(
      `${quote(text)} is not a port to publish`,
      isPort ? hint : "write tcp/80, tcp/2222:22 or udp/5000-5010",
    );
  }
  return mapPorts(text, protocol, ports);
}

/** `any`, `host`, `group:NAME`, an alias name, an address or a prefix. */
export function parsePeer(text: string): Parsed<Unplaced<Peer>> {
  if (text === "any" || text === "host") return accept({ kind: text });
  if (text.startsWith("group:")) {
    const name = text.slice("group:".length);
    const fault = nameFault(name);
    return fault === undefined
      ? accept({ kind: "group", name })
      : refuse(`${quote(text)} names no group: ${fault}`);
  }
  if (/[.:/]/.test(text)) {
    const prefix = parseNetwork(text);
    return prefix.ok ? accept({ kind: "prefix", prefix: prefix.value }) : prefix;
  }
  return nameFault(text) === undefined
    ? accept({ kind: "alias", name: text })
    : refuse(
        `${quote(text)} is not a peer`,
        "write any, host, group:NAME, the name of an alias, an address or a prefix",
      );
}

function mapPorts(
  text: string,
  protocol: PortProtocol,
  ports: string,
): Parsed<Unplaced<PortMapping>> {
  const [publicText = "", guestText = publicText, ...more] = ports.split(":");
  if (more.length > 0) {
    return refuse(`${quote(text)} has more than one ':'`, "write tcp/PUBLIC:GUEST");
  }
  const publicRange = parsePortRange(publicText);
  const guestRange = parsePortRange(guestText);
  if (publicRange === undefined || guestRange === undefined) {
    const fault = publicRange === undefined ? publicText : guestText;
    return refuse(
      `${quote(text)} has no valid port: ${portFault(fault)}`,
      portHint(protocol, fault),
    );
  }
  if (sizeOf(publicRange) !== sizeOf(guestRange)) {
    const last = guestRange.first + sizeOf(publicRange) - 1;
    return refuse(
      `${quote(text)} maps ${sizeOf(publicRange)} public to ${sizeOf(guestRange)} guest ports`,
      last <= 65535
        ? `ports map one to one: write ${protocol}/${publicText}:${formatPortRange({ first: guestRange.first, last })}`
        : "ports map one to one: both ranges are of the same length",
    );
  }
  return accept({ protocol, public: publicRange, guest: guestRange });
}

/** A prefix or a single address. */
export function parseNetwork(text: string): Parsed<Prefix> {
  const prefix = parsePrefix(text);
  if (prefix !== undefined) return accept(prefix);
  const [addressText = "", lengthText = ""] = text.split("/");
  const address = parseAddress(addressText);
  const length = Number(lengthText);
  if (address !== undefined && /^[0-9]{1,3}$/.test(lengthText)) {
    const width = address.includes(":") ? 128 : 32;
    if (length > width) {
      return refuse(`${quote(text)} is longer than ${width} bits`, `write ${address}/${width}`);
    }
    return refuse(
      `${quote(text)} has bits set beyond its length`,
      `write ${formatPrefix(prefixOf(address, length))}, or ${address} for the one address`,
    );
  }
  return refuse(`${quote(text)} is neither an address nor a prefix`, addressHint(addressText));
}

export function parseAddressWord(text: string): Parsed<Address> {
  const address = parseAddress(text);
  if (address !== undefined) return accept(address);
  return refuse(
    `${quote(text)} is not an IPv4 or IPv6 address`,
    text.includes("/") ? "one address, without a length" : addressHint(text),
  );
}

/** One address, or the first and the last of several. */
export function parseAddressRangeWord(text: string): Parsed<AddressRange> {
  if (!text.includes("-")) {
    const one = parseAddressWord(text);
    return one.ok ? accept({ first: one.value, last: one.value }) : one;
  }
  const range = parseAddressRange(text);
  return range === undefined
    ? refuse(
        `${quote(text)} is not a range of addresses`,
        "write it like 203.0.113.7-203.0.113.9: both of one family, the lower one first",
      )
    : accept(range);
}

export function parseMacWord(text: string): Parsed<Mac> {
  const mac = parseMac(text);
  return mac === undefined
    ? refuse(`${quote(text)} is not a MAC address`, "write it like 52:54:00:12:34:56")
    : accept(mac);
}

export function parseInterfaceWord(text: string): Parsed<InterfaceName> {
  const name = parseInterfaceName(text);
  return name === undefined
    ? refuse(
        `${quote(text)} is not an interface name`,
        "1 to 15 letters, digits and any of _ . @ + -",
      )
    : accept(name);
}

/** `10/minute`. */
export function parseLimit(text: string): Parsed<Limit> {
  const match = /^([1-9][0-9]{0,6})\/(second|minute|hour|day)$/.exec(text);
  const per = match?.[2];
  return per === "second" || per === "minute" || per === "hour" || per === "day"
    ? accept({ count: Number(match?.[1]), per })
    : refuse(
        `${quote(text)} is not a limit`,
        "write it like 10/minute: a count, then second, minute, hour or day",
      );
}

export function parsePortsWord(text: string): Parsed<PortRange> {
  const range = parsePortRange(text);
  return range === undefined
    ? refuse(`${quote(text)} is not a port range: ${portFault(text)}`, "write it like 1024-65535")
    : accept(range);
}

/**
 * Names of aliases and groups become part of set names in the kernel, so they have an alphabet: a letter, then up to 19 letters,
 * digits, `_` and `-`, upper and lower case distinct.
 */
export function parseOwnName(text: string): Parsed<string> {
  const fault = nameFault(text);
  if (fault !== undefined) return refuse(`${quote(text)} cannot be a name: ${fault}`);
  return reservedNames.includes(text)
    ? refuse(`${quote(text)} cannot be a name: it has a meaning of its own`)
    : accept(text);
}

/**
 * Names of guests and networks are libvirt's: anything but an empty one, a `/` and a line break (libvirt 9.0 domain_conf.c and
 * network_conf.c). They are compared and shown, and are no part of a ruleset.
 */
export function parseLibvirtName(text: string): Parsed<string> {
  return text === "" || /[/\n\0]/.test(text)
    ? refuse(`${quote(text)} is not a name that libvirt allows`)
    : accept(text);
}

/** A variable of a filter's. The alphabets are those of libvirt 11.3 nwfilter_params.h. */
export function parseParameterName(text: string): Parsed<string> {
  if (text === "MAC") {
    return refuse("'MAC' is the nic's own address and no parameter", "leave it out");
  }
  return /^[A-Za-z0-9_]+$/.test(text)
    ? accept(text)
    : refuse(
        `${quote(text)} cannot be the name of a parameter`,
        "it takes letters, digits and _, as in the filter's $NAME",
      );
}

export function parseParameterValue(text: string): Parsed<string> {
  if (/^[A-Za-z0-9_.:]+$/.test(text)) return accept(text);
  const several = text.includes(",") ? "; write several as a list: [A, B]" : "";
  const length = text.includes("/") ? "; a mask is the filter's to say" : "";
  return refuse(
    `${quote(text)} cannot be the value of a parameter`,
    `it takes letters, digits, _, . and :${several}${length}`,
  );
}

function nameFault(text: string): string | undefined {
  if (/^[A-Za-z][A-Za-z0-9_-]{0,19}$/.test(text)) return undefined;
  if (text.length > 20) return "it has more than 20 characters";
  return "it takes a letter, then letters, digits, _ and -";
}

function isPortProtocol(text: string): text is PortProtocol {
  return portProtocols.some((protocol) => protocol === text);
}

function sizeOf(range: PortRange): number {
  return range.last - range.first + 1;
}

function portFault(text: string): string {
  const match = /^([0-9]+)(?:-([0-9]+))?$/.exec(text);
  if (match === null) return `${quote(text)} is not a number from 1 to 65535`;
  const numbers = [Number(match[1]), Number(match[2] ?? match[1])] as const;
  if (numbers.some((number) => number < 1 || number > 65535)) return "ports go from 1 to 65535";
  if (numbers[0] > numbers[1]) return "the range falls";
  return "a port has no leading zero";
}

function portHint(protocol: string, text: string): string | undefined {
  const match = /^([0-9]{1,5})-([0-9]{1,5})$/.exec(text);
  if (match && Number(match[1]) > Number(match[2])) {
    return `write ${protocol}/${match[2]}-${match[1]}`;
  }
  if (text.includes(","))
    return `a list: [${text
      .split(",")
      .map((port) => `${protocol}/${port.trim()}`)
      .join(", ")}]`;
  return text === "*" || text === "" ? `all of it is ${protocol}` : undefined;
}

/** What somebody used to another tool's spelling meant. */
/** What people write in the place of a number. */
const knownPorts: Readonly<Record<string, string>> = {
  ssh: "tcp/22",
  smtp: "tcp/25",
  dns: "[tcp/53, udp/53]",
  domain: "[tcp/53, udp/53]",
  http: "tcp/80",
  https: "tcp/443",
  rdp: "tcp/3389",
};

/** No slip of the hand: `any` lets them pass, and no port of theirs is known here. */
const otherProtocols = /^(sctp|dccp|udplite)\b/i;

function serviceHint(text: string): string | undefined {
  if (/^[0-9]{1,5}(-[0-9]{1,5})?(:[0-9]{1,5}(-[0-9]{1,5})?)?$/.test(text))
    return `write tcp/${text}`;
  const turned = /^([0-9:-]+)\/(tcp|udp)$/i.exec(text);
  if (turned) return `write ${turned[2]?.toLowerCase()}/${turned[1]}`;
  const spelled = /^(tcp|udp|icmp|any)(?:([/: ])([0-9:-]+))?$/i.exec(text);
  if (spelled) {
    const protocol = spelled[1]?.toLowerCase() ?? "";
    return `write ${spelled[3] === undefined ? protocol : `${protocol}/${spelled[3]}`}`;
  }
  if (/^(icmpv6|icmp6|ipv6-icmp)$/i.test(text)) return "icmp stands for ICMP and ICMPv6";
  if (/^(all|\*)$/i.test(text)) return "write any";
  const known = knownPorts[text.toLowerCase()];
  if (known !== undefined) return `write ${known}`;
  const near = otherProtocols.test(text)
    ? undefined
    : nearest(text.split("/")[0] ?? "", [...portProtocols, "icmp"]);
  if (near !== undefined) return `did you mean '${near}'?`;
  return "write tcp/80, udp/5000-5010, tcp, udp, icmp or any";
}

function addressHint(text: string): string | undefined {
  if (/^0[0-9]|\.0[0-9]/.test(text)) return "no leading zeros";
  if (text.includes("%")) return "without a zone";
  if (/^[0-9]+(\.[0-9]+){3}$/.test(text)) return "each of the four numbers is at most 255";
  return /[g-z]/i.test(text) ? "names are not looked up: write the address" : undefined;
}
