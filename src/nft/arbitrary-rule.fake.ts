import fc from "fast-check";
import type { Rule, Verdict } from "./ast.ts";
import { socketInterval } from "./arbitrary-set.fake.ts";
import {
  portKey,
  block,
  interfaceName,
  wildcard,
  mac,
  text,
  ipv4Interval,
  ipv6Interval,
  portInterval,
  verdict,
  disjoint,
} from "./arbitrary-value.fake.ts";
import * as nft from "./build.ts";

const mark = nft.meta("mark");
const socketOf = nft.concat(nft.payload("ip", "daddr"), nft.l4proto, nft.payload("th", "dport"));
const originalSocket = nft.concat(
  nft.ct("ip daddr", "original"),
  nft.l4proto,
  nft.ct("proto-dst", "original"),
);
const ports = nft.anonymousSet(nft.value("tcp"), nft.value("udp"));
const set = nft.reference;

/** What a rule may ask without fixing a protocol. */
const neutralMatches: readonly fc.Arbitrary<Rule["statements"]>[] = [
  fc.constant([]),
  interfaceName.map((name) => [nft.equal(nft.iifname, nft.value(name))]),
  wildcard.map((name) => [nft.notEqual(nft.oifname, name)]),
  fc
    .uniqueArray(interfaceName, { minLength: 1, maxLength: 4 })
    .map((names) => [
      nft.equal(nft.oifname, nft.anonymousSet(...names.map((name) => nft.value(name)))),
    ]),
  fc.constant([nft.notEqual(nft.iifname, set("bridges")), nft.equal(nft.oifname, set("bridges"))]),
  fc.constant([nft.equal(nft.concat(nft.iifname, nft.oifname), set("reach"))]),
  fc.constant([nft.has(nft.ct("state"), nft.flags("related", "established"))]),
  fc.constant([nft.has(nft.ct("status"), nft.flags("dnat"))]),
];

const inetMatches: readonly fc.Arbitrary<Rule["statements"]>[] = [
  ...neutralMatches,
  fc.constant([nft.equal({ kind: "fib", result: "type", flags: ["saddr"] }, nft.value("local"))]),
  fc.constant([nft.equal(nft.payload("ip", "saddr"), set("admin4"))]),
  fc.constant([nft.notEqual(nft.payload("ip6", "saddr"), set("admin6"))]),
  fc.constant([nft.equal(nft.payload("tcp", "dport"), set("ports"))]),
  fc.constant([
    nft.equal(nft.meta("nfproto"), nft.value("ipv4")),
    nft.equal(nft.concat(nft.iifname, nft.payload("ip", "saddr")), set("nat4")),
  ]),
  block.chain(ipv4Interval).map((key) => [nft.equal(nft.payload("ip", "daddr"), key)]),
  disjoint(ipv4Interval)
    .filter(isSome)
    .map((keys) => [nft.notEqual(nft.payload("ip", "daddr"), nft.anonymousSet(...keys))]),
  disjoint(ipv6Interval)
    .filter(isSome)
    .map((keys) => [nft.equal(nft.payload("ip6", "daddr"), nft.anonymousSet(...keys))]),
  disjoint(portInterval)
    .filter(isSome)
    .map((keys) => [
      nft.equal(nft.l4proto, nft.value("tcp")),
      nft.equal(nft.payload("tcp", "dport"), nft.anonymousSet(...keys)),
    ]),
  disjoint(socketInterval)
    .filter(isSome)
    .map((keys) => [nft.equal(socketOf, nft.anonymousSet(...keys))]),
  portKey.map((key) => [nft.equal(nft.payload("udp", "dport"), key)]),
  fc.constant([
    nft.equal(
      nft.concat(nft.payload("udp", "sport"), nft.payload("udp", "dport")),
      nft.anonymousSet(nft.concat(nft.value(67), nft.value(68))),
    ),
  ]),
  fc.constant([
    nft.equal(
      nft.payload("icmpv6", "type"),
      nft.anonymousSet(nft.value("nd-router-advert"), nft.value("echo-request")),
    ),
  ]),
  fc.constant([
    nft.equal(nft.l4proto, nft.anonymousSet(nft.value("icmp"), nft.value("ipv6-icmp"))),
  ]),
  fc.constant([
    nft.equal({ kind: "&", left: mark, right: nft.value(0x10000000) }, nft.value(0x10000000)),
  ]),
  fc.constant([
    { kind: "mangle", key: mark, value: { kind: "|", left: mark, right: nft.value(0x10000000) } },
  ]),
  fc
    .integer({ min: 1, max: 90 })
    .map((rate) => [{ kind: "limit", rate, per: "minute", burst: rate > 50 ? 9 : 5 }]),
  text.map((prefix) => [{ kind: "log", prefix }]),
  fc.constant([{ kind: "log", prefix: "group", group: 3 }]),
];

function isSome(list: readonly unknown[]): boolean {
  return list.length > 0;
}

const bridgeMatches: readonly fc.Arbitrary<Rule["statements"]>[] = [
  interfaceName.map((name) => [nft.equal(nft.iifname, nft.value(name))]),
  fc.constant([nft.equal(nft.iifname, set("bridges"))]),
  fc.constant([
    nft.equal(nft.payload("ether", "type"), nft.value("ip")),
    nft.notEqual(nft.concat(nft.iifname, nft.payload("ip", "saddr")), set("nat4")),
  ]),
  fc.constant([
    nft.equal(nft.payload("ether", "type"), nft.value("arp")),
    nft.notEqual(nft.concat(nft.iifname, nft.payload("arp", "saddr ip")), set("nat4")),
  ]),
  fc.constant([
    nft.notEqual(nft.concat(nft.iifname, nft.payload("ether", "saddr")), set("guarded")),
  ]),
  fc.constant([
    nft.equal(nft.payload("ether", "type"), nft.anonymousSet(nft.value("ip"), nft.value("ip6"))),
  ]),
  mac.map((key) => [nft.equal(nft.payload("ether", "saddr"), key)]),
  fc.constant([nft.equal(nft.meta("iifkind"), nft.value("tun"))]),
  fc.constant([nft.equal(nft.payload("arp", "operation"), nft.value("request"))]),
];

const terminal = fc.constantFrom<Verdict>(nft.accept, nft.drop, nft.leave);

const arbitraryRule = (
  matches: readonly fc.Arbitrary<Rule["statements"]>[],
  ends: fc.Arbitrary<Rule["statements"]>,
): fc.Arbitrary<Rule> =>
  fc
    .record({
      match: fc.oneof(...matches),
      counter: fc.boolean(),
      end: ends,
      comment: fc.option(text, { nil: undefined }),
    })
    .map(({ match, counter, end, comment }) => ({
      statements: [...match, ...(counter ? [{ kind: "counter" as const }] : []), ...end],
      ...(comment === undefined ? {} : { comment }),
    }));

const regularEnd = fc.oneof(
  terminal.map((end) => [end]),
  fc.constant([{ kind: "reject" as const }]),
  fc.constant([{ kind: "reject" as const, type: "icmpx", code: "admin-prohibited" }]),
);

const baseEnd = fc.oneof(
  regularEnd,
  verdict.map((end) => [end]),
  fc.constant([nft.vmap(nft.iifname, "ingress")]),
  verdict.map((data) => [
    {
      kind: "vmap" as const,
      key: nft.oifname,
      data: { kind: "elements" as const, elements: [{ key: nft.value("virbr7"), data }] },
    },
  ]),
);

const dnatEnd = fc.oneof(
  fc.constant([
    {
      kind: "dnat" as const,
      family: "ip" as const,
      address: { kind: "map" as const, key: socketOf, data: set("publish4") },
    },
  ]),
  fc.constant([
    nft.equal(nft.l4proto, nft.value("tcp")),
    {
      kind: "dnat" as const,
      family: "ip6" as const,
      address: nft.value("fd00::7"),
      port: nft.value(80),
    },
  ]),
);

const snatEnd = fc.oneof(
  fc.constant([{ kind: "masquerade" as const }]),
  fc.constant([
    nft.equal(nft.l4proto, ports),
    { kind: "masquerade" as const, port: nft.range(1024, 65535) },
  ]),
  fc.constant([
    {
      kind: "snat" as const,
      family: "ip" as const,
      address: nft.range("203.0.113.7", "203.0.113.9"),
    },
  ]),
);

const bridgeEnd = terminal.map((end) => [end]);

const admitEnd = fc.constant([nft.equal(nft.l4proto, ports), nft.vmap(originalSocket, "admit4")]);

/** For chains that others jump to. */
export const regularRule = arbitraryRule(inetMatches, regularEnd);
/** For base chains: may jump, and may ask the verdict maps. */
export const baseRule = fc.oneof(
  { arbitrary: arbitraryRule(inetMatches, baseEnd), weight: 3 },
  { arbitrary: arbitraryRule(neutralMatches, admitEnd), weight: 1 },
);
export const dnatRule = arbitraryRule(neutralMatches, dnatEnd);
export const snatRule = arbitraryRule(neutralMatches, snatEnd);
export const bridgeRule = arbitraryRule(bridgeMatches, bridgeEnd);
