import type { Expression } from "./ast.ts";

/**
 * The nft datatypes of an expression, one a concatenated field, under the names that set definitions use. It decides how nft
 * prints a value (`80`, `"eth0"`, `0x00000050`), which the value alone does not tell.
 */
export type Datatypes = readonly string[];

/** An interface name that may end in `*`, where nft reads that as a wildcard. */
export const wildcardIfname = "ifname*";

const metaTypes: Readonly<Record<string, string>> = {
  iifname: "ifname",
  oifname: "ifname",
  ibrname: "ifname",
  obrname: "ifname",
  iif: "iface_index",
  oif: "iface_index",
  iifkind: "ifkind",
  oifkind: "ifkind",
  l4proto: "inet_proto",
  nfproto: "nf_proto",
  protocol: "ether_type",
  mark: "mark",
  pkttype: "pkt_type",
};

const ctTypes: Readonly<Record<string, string>> = {
  state: "ct_state",
  status: "ct_status",
  mark: "mark",
  direction: "ct_dir",
  l3proto: "nf_proto",
  protocol: "inet_proto",
  "proto-src": "inet_service",
  "proto-dst": "inet_service",
  "ip saddr": "ipv4_addr",
  "ip daddr": "ipv4_addr",
  "ip6 saddr": "ipv6_addr",
  "ip6 daddr": "ipv6_addr",
};

const payloadTypes: Readonly<Record<string, string>> = {
  "ip saddr": "ipv4_addr",
  "ip daddr": "ipv4_addr",
  "ip protocol": "inet_proto",
  "ip6 saddr": "ipv6_addr",
  "ip6 daddr": "ipv6_addr",
  "ip6 nexthdr": "inet_proto",
  "ether saddr": "ether_addr",
  "ether daddr": "ether_addr",
  "ether type": "ether_type",
  "vlan type": "ether_type",
  "arp saddr ip": "ipv4_addr",
  "arp daddr ip": "ipv4_addr",
  "arp saddr ether": "ether_addr",
  "arp daddr ether": "ether_addr",
  "arp operation": "arp_op",
  "icmp type": "icmp_type",
  "icmpv6 type": "icmpv6_type",
  "tcp flags": "tcp_flag",
  "ip dscp": "dscp",
  "ip6 dscp": "dscp",
};

const fibTypes: Readonly<Record<string, string>> = { type: "fib_addrtype", oifname: "ifname" };

const other = "integer";

export function datatypesOf(expression: Expression): Datatypes {
  switch (expression.kind) {
    case "meta":
      return [metaTypes[expression.key] ?? other];
    case "ct":
      return [ctTypes[expression.key] ?? other];
    case "payload":
      return [payloadType(expression.protocol, expression.field)];
    case "raw":
      return ["raw"];
    case "fib":
      return [fibTypes[expression.result] ?? other];
    case "concat":
      return expression.parts.flatMap(datatypesOf);
    case "|":
    case "&":
    case "^":
      return datatypesOf(expression.left);
    default:
      return [other];
  }
}

function payloadType(protocol: string, field: string): string {
  if (field === "sport" || field === "dport") return "inet_service";
  return payloadTypes[`${protocol} ${field}`] ?? other;
}

const flagOrder: Readonly<Record<string, readonly string[]>> = {
  ct_state: ["invalid", "new", "established", "related", "untracked"],
  ct_status: ["expected", "seen-reply", "assured", "confirmed", "snat", "dnat", "dying"],
  tcp_flag: ["fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"],
};

/** The flags of a bit mask type in the order in which nft lists them; undefined for types that are no bit mask. */
export function flagsOf(type: string | undefined): readonly string[] | undefined {
  return type === undefined ? undefined : flagOrder[type];
}

const perLine: Readonly<Record<string, number>> = {
  integer: 5,
  nf_proto: 5,
  arp_op: 5,
  inet_proto: 5,
  inet_service: 5,
  tcp_flag: 5,
  mark: 5,
  iface_index: 5,
  ct_dir: 5,
  ipv4_addr: 2,
  ct_state: 2,
  ct_status: 2,
  pkt_type: 2,
};

/** How many elements of a set nft 1.0.6 lists on one line (`calculate_delim` in its src/expression.c). */
export function elementsPerLine(type: Datatypes): number {
  return type.length === 1 ? (perLine[type[0] ?? ""] ?? 1) : 1;
}
