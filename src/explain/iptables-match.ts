import type { Family } from "../base/address.ts";
import type { Expression, Statement } from "../nft/ast.ts";
import * as nft from "../nft/build.ts";
import { readAskedTime } from "./clock.ts";
import { boundFlag } from "./evaluate.ts";
import { askedTime } from "./load.ts";

/** What one option of a rule asks, in nft's words; undefined where nft has none for it. */
export type Asked = readonly Statement[] | undefined;

export interface Option {
  readonly values: readonly string[];
  readonly isNegated: boolean;
  readonly family: Family;
}

export interface OptionReader {
  /** How many words follow it. */
  readonly arity: number;
  readonly read: (option: Option) => Asked;
}

/** A match of which nothing is known but its name. */
export function unknownMatch(name: string): Statement {
  return { kind: "unknown", json: JSON.stringify({ xt: { type: "match", name } }) };
}

const isOrNot = ({ isNegated }: Option, left: Expression, right: Expression): Statement => ({
  kind: "match",
  op: isNegated ? "!=" : "==",
  left,
  right,
});

function one(read: (option: Option, value: string) => Asked): OptionReader {
  return { arity: 1, read: (option) => read(option, option.values[0] ?? "") };
}

function compared(left: (option: Option) => Expression, right = constant): OptionReader {
  return one((option, value) => [isOrNot(option, left(option), right(value))]);
}

function constant(text: string): Expression {
  return nft.value(/^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : text);
}

/** `80`, `80:90`, and open ends; lengths are written alike. */
function portRange(text: string): Expression {
  const [first = "", last] = text.split(":");
  if (last === undefined) return constant(first);
  return nft.range(Number(first === "" ? 0 : first), Number(last === "" ? 65535 : last));
}

const portList = (text: string): Expression => nft.anonymousSet(...text.split(",").map(portRange));

/** `10.0.0.0/8`; the mask may be written out, and need not be a prefix's (then nobody here understands it). */
function network(text: string): Expression {
  const [address = "", length] = text.split("/");
  if (length === undefined) return nft.value(address);
  return /^\d+$/.test(length)
    ? nft.prefix(address, Number(length))
    : { kind: "unknown", json: JSON.stringify(text) };
}

/** `eth+`; `+` alone is any. */
const interfaceName = (text: string): Expression => nft.value(text.replace(/\+$/, "*"));

const networkName = ({ family }: Pick<Option, "family">): string => (family === 4 ? "ip" : "ip6");
const header = (field: string) => (option: Option) => nft.payload(networkName(option), field);
const port = (field: string) => () => nft.payload("th", field);
const metaOf = (key: string) => () => nft.meta(key);

/** `VALUE/MASK`. */
function marked(key: Expression): OptionReader {
  return one((option, text) => {
    const [value = "", mask] = text.split("/");
    const left = mask === undefined ? key : nft.masked(key, constant(mask));
    return [isOrNot(option, left, constant(value))];
  });
}

const stateWords: Readonly<Record<string, string>> = {
  NEW: "new",
  ESTABLISHED: "established",
  RELATED: "related",
  INVALID: "invalid",
  UNTRACKED: "untracked",
};

const states = one(({ isNegated }, text) => {
  const names = text.split(",");
  const words = names.flatMap((name) => stateWords[name] ?? []);
  if (words.length === names.length) {
    // Of the states a packet has exactly one.
    const others = Object.values(stateWords).filter((word) => !words.includes(word));
    return [nft.has(nft.ct("state"), nft.flags(...(isNegated ? others : words)))];
  }
  const isNat = names.every((name) => name === "SNAT" || name === "DNAT");
  if (!isNat || isNegated) return undefined;
  return [nft.has(nft.ct("status"), nft.flags(...names.map((name) => name.toLowerCase())))];
});

/** `SYN,RST SYN`: of those flags exactly these. */
const tcpFlags: OptionReader = {
  arity: 2,
  read: (option) => {
    const [mask, set] = option.values.map(flagBits);
    if (mask === undefined || set === undefined) return undefined;
    const flags = nft.masked(nft.payload("tcp", "flags"), nft.value(mask));
    return [isOrNot(option, flags, nft.value(set))];
  },
};

const flagNames = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];

function flagBits(text: string): number | undefined {
  if (text === "NONE") return 0;
  if (text === "ALL") return 63;
  const places = text.split(",").map((name) => flagNames.indexOf(name));
  return places.includes(-1) ? undefined : places.reduce((bits, place) => bits | (1 << place), 0);
}

const syn: OptionReader = {
  arity: 0,
  read: (option) => tcpFlags.read({ ...option, values: ["FIN,SYN,RST,ACK", "SYN"] }),
};

/** `8`, `8/0`, or iptables' names for types that nft calls alike. */
function icmpType(protocol: "icmp" | "icmpv6"): OptionReader {
  return one((option, text) => {
    const [type = "", code] = text.split("/");
    if (text === "any") return [];
    const asked = isOrNot(option, nft.payload(protocol, "type"), constant(type));
    if (code === undefined) return [asked];
    if (option.isNegated) return undefined;
    return [asked, nft.equal(nft.payload(protocol, "code"), constant(code))];
  });
}

/** A port at either end. */
const eitherPort = one((option, text) => {
  const any = nft.range(0, 65535);
  const both: Expression = { kind: "concat", parts: [port("sport")(), port("dport")()] };
  const pairs = text
    .split(",")
    .map(portRange)
    .flatMap((each): Expression[] => [
      { kind: "concat", parts: [each, any] },
      { kind: "concat", parts: [any, each] },
    ]);
  return [isOrNot(option, both, nft.anonymousSet(...pairs))];
});

/** xt_physdev, in words that the evaluator takes beside nft's. */
const bridgePort = (end: "in" | "out") => compared(metaOf(`physdev ${end}`), interfaceName);

const bridgeSide = (side: "is-in" | "is-out" | "is-bridged"): OptionReader => ({
  arity: 0,
  read: (option) => [isOrNot(option, nft.meta(`physdev ${side}`), nft.value(1))],
});

const ordered = (left: (option: Option) => Expression, op: "<" | ">") =>
  one((option, text) => [{ kind: "match", op, left: left(option), right: constant(text) }]);

/** The type of the routing header, of which there is none in ordinary packets. */
const routingType = compared(() => ({
  kind: "unknown",
  json: JSON.stringify({ exthdr: { name: "rt", field: "type" } }),
}));

const ttl = () => nft.payload("ip", "ttl");
const hopLimit = () => nft.payload("ip6", "hoplimit");

function fibOf(result: string, flags: readonly string[]): Expression {
  return { kind: "fib", result, flags };
}

const protocolOption = one((option, text) => {
  if (text === "all" || text === "0") return [];
  return [isOrNot(option, nft.l4proto, constant(text === "icmpv6" ? "ipv6-icmp" : text))];
});

function addressRange(text: string): Expression {
  const [first = "", last = first] = text.split("-");
  return nft.range(first, last);
}

const connection = (key: string, direction: "original" | "reply") =>
  compared(
    ({ family }) => nft.ct(key.replace("ip", family === 4 ? "ip" : "ip6"), direction),
    network,
  );

/** Options of matches, by their names as iptables-save (1.8.9) prints them. */
export const matchOptions: Readonly<Record<string, OptionReader>> = {
  "-p": protocolOption,
  "-s": compared(header("saddr"), network),
  "-d": compared(header("daddr"), network),
  "-i": compared(metaOf("iifname"), interfaceName),
  "-o": compared(metaOf("oifname"), interfaceName),
  "--sport": compared(port("sport"), portRange),
  "--dport": compared(port("dport"), portRange),
  "--sports": compared(port("sport"), portList),
  "--dports": compared(port("dport"), portList),
  "--tcp-flags": tcpFlags,
  "--syn": syn,
  "--tcp-option": one((option, text) => {
    const found = option.isNegated ? "missing" : "exists";
    return [nft.equal({ kind: "tcp option", option: Number(text) }, nft.value(found))];
  }),
  "--icmp-type": icmpType("icmp"),
  "--icmpv6-type": icmpType("icmpv6"),
  "--ctstate": states,
  "--state": states,
  "--ctdir": compared(
    () => nft.ct("direction"),
    (text) => nft.value(text.toLowerCase()),
  ),
  "--ctorigsrc": connection("ip saddr", "original"),
  "--ctorigdst": connection("ip daddr", "original"),
  "--ctreplsrc": connection("ip saddr", "reply"),
  "--ctrepldst": connection("ip daddr", "reply"),
  "--ctorigdstport": compared(() => nft.ct("proto-dst", "original"), portRange),
  "--ctorigsrcport": compared(() => nft.ct("proto-src", "original"), portRange),
  "--ctproto": compared(() => nft.ct("protocol")),
  "--src-range": compared(header("saddr"), addressRange),
  "--dst-range": compared(header("daddr"), addressRange),
  "--mac-source": compared(
    () => nft.payload("ether", "saddr"),
    (text) => nft.value(text.toLowerCase()),
  ),
  "--length": compared(metaOf("length"), portRange),
  "--pkt-type": compared(metaOf("pkttype")),
  "--ttl-eq": compared(ttl),
  "--ttl-lt": ordered(ttl, "<"),
  "--ttl-gt": ordered(ttl, ">"),
  "--hl-eq": compared(hopLimit),
  "--hl-lt": ordered(hopLimit, "<"),
  "--hl-gt": ordered(hopLimit, ">"),
  "--dscp": compared(header("dscp")),
  "--rt-type": routingType,
  "--ports": eitherPort,
  "--physdev-in": bridgePort("in"),
  "--physdev-out": bridgePort("out"),
  "--physdev-is-in": bridgeSide("is-in"),
  "--physdev-is-out": bridgeSide("is-out"),
  "--physdev-is-bridged": bridgeSide("is-bridged"),
  "--uid-owner": compared(metaOf("skuid")),
  "--gid-owner": compared(metaOf("skgid")),
};

/** `--mark` is one match's of the packet, and another's of the connection. */
export const markOptions: Readonly<Record<string, OptionReader>> = {
  mark: marked(nft.meta("mark")),
  connmark: marked(nft.ct("mark")),
};

/** Reads all words of a match together, where they say one thing. */
export const wholeMatches: Readonly<
  Record<string, (words: readonly string[], family: Family) => Asked>
> = {
  addrtype: readAddressTypes,
  rpfilter: readReversePath,
  policy: readPolicy,
  time: readTime,
  socket: readSocket,
  osf: readFingerprint,
};

function readAddressTypes(words: readonly string[], family: Family): Asked {
  const limit = words.find((word) => word.startsWith("--limit-iface-"))?.slice(-3);
  const device = limit === undefined ? [] : [limit === "-in" ? "iif" : "oif"];
  const asked = [...words.entries()].filter(([, word]) => /^--(src|dst)-type$/.test(word));
  const statements = asked.map(([at, word]): Statement | undefined => {
    const types = words[at + 1] ?? "";
    // For IPv6 xt_addrtype tells other types by the form of the address alone.
    if (family === 6 && types !== "LOCAL" && types !== "MULTICAST") return undefined;
    const left = fibOf("type", [word === "--src-type" ? "saddr" : "daddr", ...device]);
    const right = types.split(",").map((each) => nft.value(each.toLowerCase()));
    const isNegated = words[at - 1] === "!";
    return isOrNot({ values: [], isNegated, family }, left, nft.anonymousSet(...right));
  });
  const known = statements.filter((each) => each !== undefined);
  return known.length === statements.length ? known : undefined;
}

function readReversePath(words: readonly string[]): Asked {
  if (words.includes("--accept-local")) return undefined;
  const flags = [
    "saddr",
    ...(words.includes("--validmark") ? ["mark"] : []),
    ...(words.includes("--loose") ? [] : ["iif", boundFlag]),
  ];
  const found = words.includes("--invert") ? "missing" : "exists";
  return [nft.equal(fibOf("oif", flags), nft.value(found))];
}

function readTime(words: readonly string[]): Asked {
  if (readAskedTime(words) === undefined) return undefined;
  return [nft.equal(nft.meta([askedTime, ...words].join(" ")), nft.value(1))];
}

/** Whatever it asks of the socket, there has to be one. */
function readSocket(words: readonly string[]): Asked {
  // It writes the socket's mark on the packet.
  if (words.includes("--restore-skmark")) return undefined;
  const socket: Expression = { kind: "unknown", json: JSON.stringify({ socket: { key: "any" } }) };
  return [nft.equal(socket, nft.value(1))];
}

/** Of a packet that begins no connection it says no, whatever it is told to look for (xt_osf.c). */
function readFingerprint(): Asked {
  return [nft.has(nft.payload("tcp", "flags"), nft.flags("syn")), unknownMatch("osf")];
}

/** Nothing is followed here that IPsec carries. */
function readPolicy(words: readonly string[]): Asked {
  const policy = words[words.indexOf("--pol") + 1];
  if (words.includes("!") || !words.includes("--pol")) return undefined;
  return [nft.equal(nft.meta("ipsec"), nft.value(policy === "none" ? "missing" : "exists"))];
}
