import { protocolNumber, tcpFlag } from "../../world/packet.ts";
import { type Attribute, farAddress, linkFor, type ProtocolCase } from "./attribute.ts";
import { guest } from "./stage.ts";

/* Attributes of the protocols that libvirt judges as packets, with iptables: formatnwfilter.html, and libvirt 11.3 nwfilter_conf.c. */

interface Family {
  readonly suffix: "" | "-ipv6";
  readonly source: string;
  readonly destination: string;
  /** Where the far ends are. */
  readonly far: string;
  /** Two addresses next to each other, a prefix, and an address in it and outside. */
  readonly address: string;
  readonly twin: string;
  readonly prefix: string;
  readonly length: number;
  readonly inside: string;
  readonly outside: string;
  readonly rangeEnd: string;
}

const four: Family = {
  suffix: "",
  source: "10.9.7.1",
  destination: "10.9.7.2",
  far: "10.9.6.",
  address: "10.9.8.1",
  twin: "10.9.8.2",
  prefix: "10.9.16.0",
  length: 21,
  inside: "10.9.23.77",
  outside: "10.9.24.77",
  rangeEnd: "10.9.23.77",
};

const six: Family = {
  suffix: "-ipv6",
  source: "fd09::7:1",
  destination: "fd09::7:2",
  far: "fd09::6:",
  address: "fd09::8:1",
  twin: "fd09::8:2",
  prefix: "fd09:0:8::",
  length: 47,
  inside: "fd09:0:9::77",
  outside: "fd09:0:a::77",
  rangeEnd: "fd09:0:9::77",
};

/** The end of the packet that is the far one in a direction tells rules apart, so what is said of it stands alone. */
function addressAttributes(family: Family): Attribute[] {
  const { address, twin, prefix, length, inside, outside } = family;
  const ends = [
    { end: "src", field: "source", farWay: "in", nearWay: "out" },
    { end: "dst", field: "destination", farWay: "out", nearWay: "in" },
  ] as const;
  return ends.flatMap(({ end, field, farWay, nearWay }) => {
    const to = (value: string) => ({ body: { [field]: value } });
    const one = { is: `${end}ipaddr='${address}'`, hit: to(address), miss: to(twin) };
    const many = {
      is: `${end}ipaddr='${prefix}' ${end}ipmask='${length}'`,
      hit: to(inside),
      miss: to(outside),
    };
    return [
      { ...one, only: farWay, isFarEnd: true },
      { ...one, only: nearWay },
      { ...many, only: farWay, isFarEnd: true },
      { ...many, only: nearWay },
      rangeAttribute(family, end, nearWay),
    ];
  });
}

function rangeAttribute(family: Family, end: "src" | "dst", way: "in" | "out"): Attribute {
  const { suffix, prefix, rangeEnd, inside, outside } = family;
  const field = end === "src" ? "source" : "destination";
  return {
    is: `${end}ipfrom='${prefix}' ${end}ipto='${rangeEnd}'`,
    hit: { body: { [field]: inside } },
    miss: { body: { [field]: outside } },
    only: way,
    ...(suffix === "-ipv6" && end === "dst"
      ? { libvirtRefuses: "it reads dstipto of IPv6 as an IPv4 address" }
      : {}),
  };
}

const common = (family: Family): Attribute[] => [
  ...addressAttributes(family),
  { is: `srcmacaddr='${guest.mac}'`, hit: {}, only: "out" },
  {
    is: "srcmacaddr='52:54:00:0b:00:01'",
    hit: { from: "52:54:00:0b:00:01" },
    miss: { from: "52:54:00:0b:00:02" },
    only: "in",
  },
  { is: "dscp='46'", hit: { body: { dscp: 46 } }, miss: { body: { dscp: 45 } } },
  { is: "dscp='0' comment='none'", hit: {}, miss: { body: { dscp: 1 } } },
];

const ports = (sourcePort: number, destinationPort: number) => ({
  body: { sourcePort, destinationPort },
});

const portAttributes: readonly Attribute[] = [
  { is: "srcportstart='80'", hit: ports(80, 1), miss: ports(81, 1) },
  { is: "srcportstart='80' srcportend='89'", hit: ports(89, 1), miss: ports(90, 1) },
  {
    is: "dstportstart='80'",
    hit: ports(1, 80),
    miss: ports(1, 81),
    libvirtErrs: "a destination port takes its negation from the source port, so it loses it",
    isMisreadNegated: true,
  },
  {
    is: "dstportstart='80' dstportend='89'",
    hit: ports(1, 80),
    miss: ports(1, 79),
    libvirtErrs: "a destination port takes its negation from the source port, so it loses it",
    isMisreadNegated: true,
  },
  {
    is: "srcportstart='80' dstportstart='443' dstportend='444'",
    hit: ports(80, 444),
    miss: ports(81, 445),
  },
];

const { SYN, ACK, FIN, RST } = tcpFlag;

const tcpAttributes: readonly Attribute[] = [
  ...portAttributes,
  {
    is: "option='4'",
    hit: { body: { options: [2, 4] } },
    miss: { body: { options: [2, 3] } },
  },
];

const tcpFlags: readonly Attribute[] = [
  {
    is: "flags='SYN,ACK/SYN'",
    hit: { body: { flags: SYN | FIN } },
    miss: { body: { flags: SYN | ACK } },
  },
  { is: "flags='ALL/NONE'", hit: { body: { flags: 0 } }, miss: { body: { flags: RST } } },
];

const typed = (type: number, code: number) => ({ body: { type, code } });

const icmpAttributes: readonly Attribute[] = [
  { is: "type='3'", hit: typed(3, 1), miss: typed(4, 1) },
  { is: "type='3' code='1'", hit: typed(3, 1), miss: typed(3, 2) },
];

/** No other rule knows it. */
const someProtocol = 200;

function protocolCase(
  name: keyof typeof protocolNumber | "all",
  family: Family,
  own: readonly Attribute[],
): ProtocolCase {
  const protocol = name === "all" ? someProtocol : protocolNumber[name];
  const { suffix, source, destination, far } = family;
  return {
    protocol: `${name}${name === "icmpv6" ? "" : suffix}`,
    packet: (way) => ({
      ...linkFor(way),
      body: { kind: "ip", source, destination, protocol },
    }),
    farEnd: farAddress(far),
    attributes: [...common(family), ...own],
  };
}

const bothFamilies = [four, six].flatMap((family) => [
  protocolCase("tcp", family, tcpAttributes),
  protocolCase("udp", family, portAttributes),
  protocolCase("sctp", family, portAttributes),
  protocolCase("udplite", family, []),
  protocolCase("esp", family, []),
  protocolCase("ah", family, []),
  protocolCase("all", family, []),
]);

export const packetCases: readonly ProtocolCase[] = [
  ...bothFamilies.map((one) =>
    one.protocol === "tcp" ? { ...one, attributes: [...one.attributes, ...tcpFlags] } : one,
  ),
  protocolCase("icmp", four, icmpAttributes),
  protocolCase("icmpv6", six, icmpAttributes),
  protocolCase("igmp", four, []),
];
