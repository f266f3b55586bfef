import {
  compareAddresses,
  formatPrefix,
  prefixContains,
  type Family,
  type Prefix,
} from "../base/address.ts";
import { distinctRanges, type PortRange } from "../base/port.ts";
import type { Alias, Peer, Service } from "../model/policy.ts";
import type { Element, Expression, Statement } from "../nft/ast.ts";
import {
  anonymousSet,
  equal,
  l4proto,
  payload,
  prefix,
  range,
  reference,
  value,
} from "../nft/build.ts";
import { aliasSet, groupSet } from "./names.ts";

export const families: readonly Family[] = [4, 6];

/** nft's name of the network header. */
export const ip = (family: Family) => (family === 4 ? "ip" : "ip6");

export function prefixExpression({ address, length, family }: Prefix): Expression {
  return length === (family === 4 ? 32 : 128) ? value(address) : prefix(address, length);
}

export function portExpression({ first, last }: PortRange): Expression {
  return first === last ? value(first) : range(first, last);
}

/** One key stands for itself: nft lists `{ 22 }` as `22`. */
export function oneOf(keys: readonly Expression[]): Expression {
  const [only] = keys;
  return keys.length === 1 && only !== undefined ? only : anonymousSet(...keys);
}

/** Without those that another one holds: an interval set takes no overlap. Sorted. */
export function distinctPrefixes(prefixes: readonly Prefix[]): Prefix[] {
  const sorted = prefixes.toSorted(
    (a, b) => compareAddresses(a.address, b.address) || a.length - b.length,
  );
  const kept: Prefix[] = [];
  for (const candidate of sorted) {
    const before = kept.at(-1);
    if (before === undefined || !prefixContains(before, candidate.address)) kept.push(candidate);
  }
  return kept;
}

/** The alternatives that together match any of the services; one without statements matches everything. */
export function serviceMatches(services: readonly Service[]): Statement[][] {
  if (services.some((service) => service.kind === "any")) return [[]];
  const matches: Statement[][] = [];
  for (const protocol of ["tcp", "udp"] as const) {
    if (services.some((s) => s.kind === "protocol" && s.protocol === protocol)) {
      matches.push([equal(l4proto, value(protocol))]);
      continue;
    }
    const ranges = services.flatMap((s) =>
      s.kind === "ports" && s.protocol === protocol ? [s.ports] : [],
    );
    if (ranges.length === 0) continue;
    const ports = distinctRanges(ranges).map(portExpression);
    matches.push([equal(payload(protocol, "dport"), oneOf(ports))]);
  }
  if (services.some((s) => s.kind === "protocol" && s.protocol === "icmp")) {
    matches.push([equal(l4proto, anonymousSet(value("icmp"), value("ipv6-icmp")))]);
  }
  return matches;
}

/**
 * The alternatives that together match any of the peers at one end of a packet. A name of an alias without members of a family
 * gives no alternative there; a group always has a set, since guests come and go.
 */
export function peerMatches(
  peers: readonly Peer[],
  end: "saddr" | "daddr",
  aliases: ReadonlyMap<string, Alias>,
): Statement[][] {
  if (peers.length === 0 || peers.some((peer) => peer.kind === "any")) return [[]];
  const matches: Statement[][] = [];
  if (peers.some((peer) => peer.kind === "host")) {
    const type: Expression = { kind: "fib", result: "type", flags: [end] };
    matches.push([equal(type, value("local"))]);
  }
  for (const family of families) {
    const address = payload(ip(family), end);
    for (const name of peerSets(peers, family, aliases)) {
      matches.push([equal(address, reference(name))]);
    }
    const literal = peers.flatMap((peer) =>
      peer.kind === "prefix" && peer.prefix.family === family ? [peer.prefix] : [],
    );
    if (literal.length > 0) {
      matches.push([equal(address, oneOf(distinctPrefixes(literal).map(prefixExpression)))]);
    }
  }
  return matches;
}

/** Names of the sets that the peers stand for in one family, sorted. */
export function peerSets(
  peers: readonly Peer[],
  family: Family,
  aliases: ReadonlyMap<string, Alias>,
): string[] {
  const names = peers.flatMap((peer) => {
    if (peer.kind === "group") return [groupSet(peer.name, family)];
    if (peer.kind !== "alias") return [];
    const members = aliases.get(peer.name)?.members ?? [];
    return members.some((member) => member.family === family) ? [aliasSet(peer.name, family)] : [];
  });
  return [...new Set(names)].toSorted();
}

/** Canonical text of a list of peers: equal texts admit the same peers. */
export function peersText(peers: readonly Peer[]): string {
  return [...new Set(peers.map(peerText))].toSorted().join(" ");
}

function peerText(peer: Peer): string {
  switch (peer.kind) {
    case "any":
    case "host":
      return peer.kind;
    case "alias":
    case "group":
      return `${peer.kind}:${peer.name}`;
    case "prefix":
      return formatPrefix(peer.prefix);
  }
}

/** An element with the text of its key. */
export interface KeyedElement {
  readonly text: string;
  readonly element: Element;
}

export function keyed(element: Element): KeyedElement {
  return { text: JSON.stringify(element.key), element };
}

/** One element a key, the first of equal keys; sorted by text, so that the same input in any order gives the same bytes. */
export function distinctElements(elements: readonly KeyedElement[]): KeyedElement[] {
  const byKey = new Map<string, KeyedElement>();
  for (const each of elements) if (!byKey.has(each.text)) byKey.set(each.text, each);
  return [...byKey.values()].sort((a, b) => (a.text < b.text ? -1 : 1));
}
