import type { Span } from "./layer.ts";

/** Where a header field lies, and the nft datatype of its value. */
export interface Field extends Span {
  readonly base: "link" | "network" | "transport";
  readonly type: string;
}

type Row = readonly [offset: number, length: number, type?: string];

interface Header {
  readonly base: Field["base"];
  readonly fields: Readonly<Record<string, Row>>;
}

const ports: Readonly<Record<string, Row>> = {
  sport: [0, 16, "inet_service"],
  dport: [16, 16, "inet_service"],
};

const headers: Readonly<Record<string, Header>> = {
  ether: {
    base: "link",
    fields: {
      daddr: [0, 48, "ether_addr"],
      saddr: [48, 48, "ether_addr"],
      type: [96, 16, "ether_type"],
    },
  },
  vlan: {
    base: "link",
    fields: {
      pcp: [112, 3],
      dei: [115, 1],
      id: [116, 12],
      type: [128, 16, "ether_type"],
    },
  },
  ip: {
    base: "network",
    fields: {
      version: [0, 4],
      hdrlength: [4, 4],
      dscp: [8, 6, "dscp"],
      ecn: [14, 2, "ecn"],
      length: [16, 16],
      id: [32, 16],
      "frag-off": [48, 16],
      ttl: [64, 8],
      protocol: [72, 8, "inet_proto"],
      checksum: [80, 16],
      saddr: [96, 32, "ipv4_addr"],
      daddr: [128, 32, "ipv4_addr"],
    },
  },
  ip6: {
    base: "network",
    fields: {
      version: [0, 4],
      dscp: [4, 6, "dscp"],
      ecn: [10, 2, "ecn"],
      flowlabel: [12, 20],
      length: [32, 16],
      nexthdr: [48, 8, "inet_proto"],
      hoplimit: [56, 8],
      saddr: [64, 128, "ipv6_addr"],
      daddr: [192, 128, "ipv6_addr"],
    },
  },
  arp: {
    base: "network",
    fields: {
      htype: [0, 16],
      ptype: [16, 16, "ether_type"],
      hlen: [32, 8],
      plen: [40, 8],
      operation: [48, 16, "arp_op"],
      "saddr ether": [64, 48, "ether_addr"],
      "saddr ip": [112, 32, "ipv4_addr"],
      "daddr ether": [144, 48, "ether_addr"],
      "daddr ip": [192, 32, "ipv4_addr"],
    },
  },
  th: { base: "transport", fields: ports },
  tcp: {
    base: "transport",
    fields: {
      ...ports,
      sequence: [32, 32],
      ackseq: [64, 32],
      doff: [96, 4],
      reserved: [100, 4],
      flags: [104, 8, "tcp_flag"],
      window: [112, 16],
      checksum: [128, 16],
      urgptr: [144, 16],
    },
  },
  udp: { base: "transport", fields: { ...ports, length: [32, 16], checksum: [48, 16] } },
  udplite: { base: "transport", fields: { ...ports, checksum: [48, 16] } },
  sctp: { base: "transport", fields: { ...ports, vtag: [32, 32], checksum: [64, 32] } },
  dccp: { base: "transport", fields: ports },
  esp: { base: "transport", fields: { spi: [0, 32], sequence: [32, 32] } },
  icmp: {
    base: "transport",
    fields: {
      type: [0, 8, "icmp_type"],
      code: [8, 8, "icmp_code"],
      checksum: [16, 16],
      id: [32, 16],
      sequence: [48, 16],
      gateway: [32, 32],
      mtu: [48, 16],
    },
  },
  icmpv6: {
    base: "transport",
    fields: {
      type: [0, 8, "icmpv6_type"],
      code: [8, 8, "icmpv6_code"],
      checksum: [16, 16],
      "parameter-problem": [32, 32],
      mtu: [32, 32],
      id: [32, 16],
      sequence: [48, 16],
      "max-delay": [32, 16],
    },
  },
};

/** Undefined for a field that is not known here. */
export function fieldOf(protocol: string, name: string): Field | undefined {
  const header = headers[protocol];
  const row = header?.fields[name];
  if (header === undefined || row === undefined) return undefined;
  const [offset, length, type = "integer"] = row;
  return { base: header.base, offset, length, type };
}

/** The value of `meta l4proto` that nft demands, unsaid, ahead of a field of that header. */
export const transportProtocols: Readonly<Record<string, number>> = {
  tcp: 6,
  udp: 17,
  udplite: 136,
  sctp: 132,
  dccp: 33,
  esp: 50,
  icmp: 1,
  icmpv6: 58,
};

/** The same for headers of the network layer. */
export const networkProtocols: Readonly<Record<string, number>> = {
  ip: 0x0800,
  ip6: 0x86dd,
  arp: 0x0806,
  vlan: 0x8100,
  icmp: 0x0800,
  icmpv6: 0x86dd,
};
