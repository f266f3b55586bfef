import type { FilterMatch } from "../model/filter.ts";
import type { ExpandedRule } from "../model/filter-expansion.ts";
import { filterProtocols } from "../model/filter-protocols.ts";
import { equal, l4proto, payload, raw, value } from "../nft/build.ts";
import {
  etherType,
  etherTypeOfChain,
  familyOfProtocol,
  orderOfProtocol,
  orderOfType,
  type Placed,
} from "./filter-fields.ts";

/** What a rule's protocol itself asks for, whatever the attributes. */
export function protocolMatches({ rule, chain }: ExpandedRule): Placed[] {
  const protocol = rule.protocol ?? "mac";
  const type = typeOf(protocol);
  const attributes = rule.matches.map(({ attribute }) => attribute);
  const isSettled = layerOf(protocol) === "ethernet" && etherTypeOfChain(chain) === type;
  return [
    ...(type === undefined || isSettled
      ? []
      : [{ order: orderOfType, statement: equal(payload("ether", "type"), etherType(type)) }]),
    ...transportMatch(protocol, rule.matches),
    ...headerMatches(protocol, attributes),
  ];
}

const frameTypes: Readonly<Record<string, number>> = {
  vlan: 0x8100,
  arp: 0x0806,
  rarp: 0x8035,
};

function layerOf(protocol: string): "ethernet" | "ip" {
  return filterProtocols.get(protocol)?.layer ?? "ethernet";
}

/** Undefined where frames of any type are meant. */
function typeOf(protocol: string): number | undefined {
  if (protocol === "mac" || protocol === "stp") return undefined;
  return frameTypes[protocol] ?? (familyOfProtocol(protocol) === 4 ? 0x0800 : 0x86dd);
}

function transportMatch(protocol: string, matches: readonly FilterMatch[]): Placed[] {
  const name = transportOf(protocol, matches);
  if (name === "all") return [];
  const word = name === "icmpv6" ? "ipv6-icmp" : name;
  return [{ order: orderOfProtocol, statement: equal(l4proto, value(word)) }];
}

function transportOf(protocol: string, matches: readonly FilterMatch[]): string {
  if (layerOf(protocol) === "ip") return protocol.replace(/-ipv6$/, "");
  const isTyped = matches.some(({ attribute }) => /^(type|code)$/.test(attribute));
  // Where the protocol is written out it is asked for as an attribute.
  const isWritten = matches.some(
    ({ attribute, value: operand, isNegated }) =>
      attribute === "protocol" && operand.kind === "literal" && !isNegated,
  );
  return protocol === "ipv6" && isTyped && !isWritten ? "icmpv6" : "all";
}

/** What fields mean depends on the lengths of addresses that ARP itself states, and on the header of the spanning tree protocol. */
function headerMatches(protocol: string, attributes: readonly string[]): Placed[] {
  if (protocol === "stp") {
    const destination = equal(payload("ether", "daddr"), value("01:80:c2:00:00:00"));
    return [
      { order: 0, statement: equal(raw("nh", 0, 40), value(0x4242030000)) },
      { order: orderOfType - 1, statement: destination },
    ];
  }
  const isArp = protocol === "arp" || protocol === "rarp";
  if (!isArp || !attributes.some((attribute) => /^arp(src|dst)/.test(attribute))) return [];
  return [{ order: 0, statement: equal(raw("nh", 0, 48), value(0x000108000604)) }];
}
