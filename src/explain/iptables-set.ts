import type { Family } from "../base/address.ts";
import type { Element, Expression, SetDefinition, Statement } from "../nft/ast.ts";
import * as nft from "../nft/build.ts";
import type { SavedSet } from "../xtables/ipset.ts";

/** Sets of ipset, by name. */
export type IpSets = ReadonlyMap<string, SavedSet>;

/** What a rule with `-m set` asks in nft's words: of a set that its table has as {@link definitionOf} says. */
export function readSetMatch(
  words: readonly string[],
  { sets, family }: { sets: IpSets; family: Family },
): readonly Statement[] | undefined {
  const isNegated = words[0] === "!";
  const [option, name = "", ends = "", ...more] = isNegated ? words.slice(1) : words;
  const set = sets.get(name);
  const parts = set === undefined ? undefined : partsOf(set, sets);
  if (option !== "--match-set" || parts === undefined || more.length > 0) return undefined;
  const fields = fieldsOf(parts, ends.split(","), family);
  const [first, ...others] = fields ?? [];
  if (first === undefined) return undefined;
  const left: Expression =
    others.length === 0 ? first : { kind: "concat", parts: [first, ...others] };
  const right: Expression = { kind: "reference", name: definedName(name) };
  return [{ kind: "match", op: isNegated ? "!=" : "==", left, right }];
}

/** No set of nft's own is called so. */
const definedName = (name: string): string => `ipset ${name}`;

/** What each part of an element is; undefined for a set that nobody here reads. */
function partsOf(
  { type, elements, hasExceptions }: SavedSet,
  sets: IpSets,
): readonly Part[] | undefined {
  if (hasExceptions) return undefined;
  if (type === "list:set") {
    const members = elements.map(([name = ""]) => sets.get(name));
    const [first, ...others] = members.map((set) => set && set.type !== type && partsOf(set, sets));
    const isOne = others.every((parts) => parts && first && kindOf(parts) === kindOf(first));
    return first && isOne ? first : undefined;
  }
  const parts = (type.split(":")[1] ?? "").split(",");
  const known = parts.filter((part): part is Part => Object.hasOwn(types, part));
  return known.length === parts.length ? known : undefined;
}

const kindOf = (parts: readonly Part[]): string => parts.flatMap((part) => types[part]).join();

type Part = keyof typeof types;

const types = {
  ip: ["address"],
  net: ["address"],
  port: ["inet_proto", "inet_service"],
  mac: ["ether_addr"],
  iface: ["ifname"],
} as const;

function fieldsOf(
  parts: readonly Part[],
  ends: readonly string[],
  family: Family,
): readonly Expression[] | undefined {
  if (parts.length !== ends.length) return undefined;
  return parts.flatMap((part, index) => fieldOf(part, ends[index] === "src", family));
}

function fieldOf(part: Part, isSource: boolean, family: Family): readonly Expression[] {
  switch (part) {
    case "port":
      return [nft.l4proto, nft.payload("th", isSource ? "sport" : "dport")];
    case "mac":
      return [nft.payload("ether", isSource ? "saddr" : "daddr")];
    case "iface":
      return [nft.meta(isSource ? "iifname" : "oifname")];
    default:
      return [nft.payload(family === 4 ? "ip" : "ip6", isSource ? "saddr" : "daddr")];
  }
}

/** The sets of ipset that somebody here reads, as sets of a table of that family. */
export function definitionsOf(sets: IpSets, family: Family): readonly SetDefinition[] {
  return [...sets.values()].flatMap((set) => {
    const parts = partsOf(set, sets);
    const address = family === 4 ? "ipv4_addr" : "ipv6_addr";
    if (parts === undefined) return [];
    const type = parts.flatMap((part) => types[part]);
    return [
      {
        name: definedName(set.name),
        type: type.map((each) => (each === "address" ? address : each)),
        flags: ["interval"] as const,
        counter: false,
        elements: elementsOf(set, sets).map((element) => elementOf(element, parts)),
      },
    ];
  });
}

function elementsOf(set: SavedSet, sets: IpSets): SavedSet["elements"] {
  if (set.type === "bitmap:port") return set.elements.flatMap(withProtocols);
  if (set.type !== "list:set") return set.elements;
  return set.elements.flatMap(([name = ""]) => {
    const member = sets.get(name);
    return member === undefined ? [] : elementsOf(member, sets);
  });
}

/** A bitmap of ports holds those of TCP and UDP, and no others (ip_set_get_ip_port). */
function withProtocols([port = ""]: readonly string[]): SavedSet["elements"] {
  return ["tcp", "udp"].map((protocol) => [`${protocol}:${port}`]);
}

function elementOf(element: readonly string[], parts: readonly Part[]): Element {
  const values = element.flatMap((text, index) => valueOf(text, parts[index] ?? "ip"));
  const [first = nft.value(""), ...others] = values;
  return { key: others.length === 0 ? first : { kind: "concat", parts: [first, ...others] } };
}

/** `10.0.0.0/8`, `tcp:80`, and what nobody here understands as something that may be any. */
function valueOf(text: string, part: Part): readonly Expression[] {
  if (part === "port") {
    const [protocol = "", port = ""] = text.split(":");
    return [nft.value(protocol), /^\d+$/.test(port) ? nft.value(Number(port)) : unread(text)];
  }
  const [address = "", length] = text.split("/");
  if (part === "iface") return [nft.value(text)];
  if (part === "mac") return [nft.value(text.toLowerCase())];
  return [length === undefined ? nft.value(address) : nft.prefix(address, Number(length))];
}

function unread(text: string): Expression {
  return { kind: "unknown", json: JSON.stringify(text) };
}
