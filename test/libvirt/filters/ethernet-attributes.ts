import { type Packet, protocolNumber } from "../../world/packet.ts";
import {
  type Attribute,
  type Direction,
  type FarEnd,
  farMac,
  linkFor,
  type ProtocolCase,
} from "./attribute.ts";
import { guest } from "./stage.ts";

/* Attributes of the protocols that libvirt judges as frames: formatnwfilter.html, and libvirt 11.3 nwfilter_conf.c. */

const other = (type: number) => ({ kind: "other", type }) as const;

const udp = {
  kind: "ip",
  source: "10.9.7.1",
  destination: "10.9.7.2",
  protocol: protocolNumber.udp,
} as const;

const udp6 = { ...udp, source: "fd09::7:1", destination: "fd09::7:2" } as const;

const arp = {
  kind: "arp",
  sourceMac: "52:54:00:00:07:01",
  source: "10.9.7.1",
  targetMac: "52:54:00:00:07:02",
  target: "10.9.7.2",
} as const;

/** A guest sends from its own MAC only: virtwall holds every filtered nic to that. */
const macs: readonly Attribute[] = [
  {
    is: "srcmacaddr='52:54:00:0b:00:01'",
    hit: { from: "52:54:00:0b:00:01" },
    miss: { from: "52:54:00:0b:00:02" },
    only: "in",
    isFarEnd: true,
  },
  {
    is: "srcmacaddr='52:54:00:0c:00:00' srcmacmask='ff:ff:ff:ff:00:00'",
    hit: { from: "52:54:00:0c:12:34" },
    miss: { from: "52:54:00:0d:12:34" },
    only: "in",
    isFarEnd: true,
  },
  { is: `srcmacaddr='${guest.mac}'`, hit: {}, only: "out" },
  {
    is: "dstmacaddr='52:54:00:0b:00:03'",
    hit: { to: "52:54:00:0b:00:03" },
    miss: { to: "52:54:00:0b:00:04" },
    isFarEnd: true,
    only: "out",
  },
  {
    is: "dstmacaddr='52:54:00:0e:00:00' dstmacmask='ff:ff:ff:fe:00:00'",
    hit: { to: "52:54:00:0f:12:34" },
    miss: { to: "52:54:00:10:12:34" },
    isFarEnd: true,
    only: "out",
  },
  {
    is: "dstmacaddr='52:54:00:0b:00:05'",
    hit: { to: "52:54:00:0b:00:05" },
    miss: { to: "52:54:00:0b:00:06" },
    only: "in",
  },
];

const mac: ProtocolCase = {
  protocol: "mac",
  packet: (way) => ({ ...linkFor(way), body: other(0x88b5) }),
  farEnd: farMac,
  attributes: [
    ...macs,
    { is: "protocolid='0x88b6'", hit: { body: other(0x88b6) }, miss: { body: other(0x88b7) } },
    { is: "protocolid='2054'", hit: { body: arp }, miss: { body: udp } },
    { is: "protocolid='arp'", hit: { body: arp }, miss: { body: udp } },
    { is: "protocolid='rarp'", hit: { body: { ...arp, kind: "rarp" } }, miss: { body: arp } },
    { is: "protocolid='ipv4'", hit: { body: udp }, miss: { body: udp6 } },
    { is: "protocolid='ipv6'", hit: { body: udp6 }, miss: { body: udp } },
    { is: "protocolid='vlan'", hit: { vlan: 5 }, miss: {} },
    { is: "protocolid='0x88b6' comment='why'", hit: { body: other(0x88b6) }, miss: {} },
  ],
};

/** Why libvirt's `encap-protocol` matches other frames than it says. */
const hexEncap = "ebtables 1.8.9 reads a hexadecimal number where libvirt 9.0 prints a decimal one";

const vlan: ProtocolCase = {
  protocol: "vlan",
  packet: (way) => ({ ...linkFor(way), vlan: 5, body: other(0x88b5) }),
  farEnd: farMac,
  attributes: [
    ...macs,
    { is: "vlanid='10'", hit: { vlan: 10 }, miss: { vlan: 11 } },
    { is: "vlanid='0xffe'", hit: { vlan: 4094 }, miss: { vlan: 4093 } },
    {
      is: "encap-protocol='0x88b6'",
      libvirtErrs: hexEncap,
      hit: { body: other(0x88b6) },
      miss: { body: other(0x88b7) },
    },
    { is: "encap-protocol='arp'", libvirtErrs: hexEncap, hit: { body: arp }, miss: { body: udp } },
    {
      is: "encap-protocol='ipv4'",
      libvirtErrs: hexEncap,
      hit: { body: udp },
      miss: { body: udp6 },
    },
    {
      is: "encap-protocol='ipv6'",
      libvirtErrs: hexEncap,
      hit: { body: udp6 },
      miss: { body: udp },
    },
  ],
};

const arpAttributes: readonly Attribute[] = [
  ...macs,
  { is: "hwtype='6'", hit: { body: { hardware: 6 } }, miss: { body: { hardware: 7 } } },
  {
    is: "protocoltype='0x88b6'",
    hit: { body: { protocol: 0x88b6 } },
    miss: { body: { protocol: 0x88b7 } },
  },
  { is: "opcode='2'", hit: { body: { operation: 2 } }, miss: { body: { operation: 5 } } },
  { is: "opcode='Request'", hit: { body: { operation: 1 } }, miss: { body: { operation: 2 } } },
  { is: "opcode='Reply'", hit: { body: { operation: 2 } }, miss: { body: { operation: 1 } } },
  {
    is: "opcode='Request_Reverse'",
    hit: { body: { operation: 3 } },
    miss: { body: { operation: 4 } },
  },
  // The words count up from 1, as in ebtables; the ninth is not the number that IANA gave to a NAK.
  { is: "opcode='ARP_NAK'", hit: { body: { operation: 9 } }, miss: { body: { operation: 10 } } },
  {
    is: "arpsrcmacaddr='52:54:00:00:08:01'",
    hit: { body: { sourceMac: "52:54:00:00:08:01" } },
    miss: { body: { sourceMac: "52:54:00:00:08:02" } },
  },
  {
    is: "arpdstmacaddr='52:54:00:00:08:01'",
    hit: { body: { targetMac: "52:54:00:00:08:01" } },
    miss: { body: { targetMac: "52:54:00:00:08:02" } },
  },
  {
    is: "arpsrcipaddr='10.9.8.1'",
    hit: { body: { source: "10.9.8.1" } },
    miss: { body: { source: "10.9.8.2" } },
  },
  {
    is: "arpsrcipaddr='10.9.8.0' arpsrcipmask='24'",
    hit: { body: { source: "10.9.8.77" } },
    miss: { body: { source: "10.9.9.77" } },
  },
  {
    is: "arpdstipaddr='10.9.8.1'",
    hit: { body: { target: "10.9.8.1" } },
    miss: { body: { target: "10.9.8.2" } },
  },
  {
    is: "arpdstipaddr='10.9.8.0' arpdstipmask='255.255.254.0'",
    hit: { body: { target: "10.9.9.77" } },
    miss: { body: { target: "10.9.10.77" } },
  },
  {
    is: "gratuitous='true'",
    hit: { body: { target: arp.source } },
    isSwitch: true,
    virtwallRefuses: "nft compares a field with values only, never with another field",
  },
  {
    is: "arpdstipaddr='10.9.8.3' gratuitous='true'",
    hit: { body: { source: "10.9.8.3", target: "10.9.8.3" } },
    miss: { body: { target: "10.9.8.3" } },
    isSwitch: true,
  },
];

const arpCase = (protocol: "arp" | "rarp"): ProtocolCase => ({
  protocol,
  packet: (way) => ({ ...linkFor(way), body: { ...arp, kind: protocol } }),
  farEnd: farMac,
  attributes: arpAttributes,
});

/** Addresses, protocols, ports and so on of both families; a mask takes a bit more or less than a byte. */
interface Family {
  readonly protocol: "ip" | "ipv6";
  readonly address: string;
  readonly twin: string;
  readonly masked: string;
  readonly inside: string;
  readonly outside: string;
}

const four: Family = {
  protocol: "ip",
  address: "10.9.8.1",
  twin: "10.9.8.2",
  masked: "ADDR='10.9.8.0' MASK='23'",
  inside: "10.9.9.77",
  outside: "10.9.10.77",
};

const six: Family = {
  protocol: "ipv6",
  address: "fd09:8::1",
  twin: "fd09:8::2",
  masked: "ADDR='fd09:0:8::' MASK='47'",
  inside: "fd09:0:9::77",
  outside: "fd09:0:a::77",
};

const ports = (start: number, to: number) => ({
  sourcePort: start,
  destinationPort: to,
});

function ipAttributes(family: Family): readonly Attribute[] {
  const { address, twin, masked, inside, outside } = family;
  const masks = (prefix: string) =>
    masked.replace("ADDR", `${prefix}ipaddr`).replace("MASK", `${prefix}ipmask`);
  return [
    ...macs,
    {
      is: `srcipaddr='${address}'`,
      hit: { body: { source: address } },
      miss: { body: { source: twin } },
    },
    { is: masks("src"), hit: { body: { source: inside } }, miss: { body: { source: outside } } },
    {
      is: `dstipaddr='${address}'`,
      hit: { body: { destination: address } },
      miss: { body: { destination: twin } },
    },
    {
      is: masks("dst"),
      hit: { body: { destination: inside } },
      miss: { body: { destination: outside } },
    },
    { is: "protocol='tcp'", hit: { body: { protocol: 6 } }, miss: {} },
    { is: "protocol='132'", hit: { body: { protocol: 132 } }, miss: {} },
    {
      is: "srcportstart='80'",
      with: "protocol='udp'",
      hit: { body: ports(80, 1) },
      miss: { body: ports(81, 1) },
    },
    {
      is: "srcportstart='80' srcportend='89'",
      with: "protocol='tcp'",
      hit: { body: { protocol: 6, ...ports(89, 1) } },
      miss: { body: { protocol: 6, ...ports(90, 1) } },
    },
    {
      is: "dstportstart='80'",
      with: "protocol='sctp'",
      hit: { body: { protocol: 132, ...ports(1, 80) } },
      miss: { body: { protocol: 132, ...ports(1, 81) } },
    },
    {
      is: "dstportstart='80' dstportend='89'",
      with: "protocol='udp'",
      hit: { body: ports(1, 80) },
      miss: { body: ports(1, 79) },
    },
  ];
}

const ip: ProtocolCase = {
  protocol: "ip",
  packet: (way) => ({ ...linkFor(way), body: udp }),
  farEnd: farMac,
  attributes: [
    ...ipAttributes(four),
    {
      is: "dscp='46'",
      hit: { body: { dscp: 46 } },
      miss: { body: { dscp: 47 } },
      libvirtErrs:
        "it compares the number with the whole byte that holds the field and two more bits",
    },
  ],
};

const icmp6 = { ...udp6, protocol: protocolNumber.icmpv6 };
const typed = (type: number, code: number) => ({ body: { ...icmp6, type, code } });

const ipv6: ProtocolCase = {
  protocol: "ipv6",
  packet: (way) => ({ ...linkFor(way), body: udp6 }),
  farEnd: farMac,
  attributes: [
    ...ipAttributes(six),
    { is: "type='128'", with: "protocol='icmpv6'", hit: typed(128, 0), miss: typed(129, 0) },
    {
      is: "type='130' typeend='132'",
      with: "protocol='icmpv6'",
      hit: typed(132, 0),
      miss: typed(129, 0),
    },
    {
      is: "type='1' code='2' codeend='4'",
      with: "protocol='icmpv6'",
      hit: typed(1, 4),
      miss: typed(2, 1),
    },
  ],
};

/** Each rule has a cost of its own, since a BPDU has one address to go to. */
const farCost: FarEnd = (_, index) => ({
  is: `root-cost='${1000 + index}'`,
  change: { body: { rootCost: 1000 + index } },
});

/** A number, and a range of it. */
function stpNumbers(attribute: string, field: string): Attribute[] {
  return [
    {
      is: `${attribute}='258'`,
      hit: { body: { [field]: 258 } },
      miss: { body: { [field]: 259 } },
    },
    {
      is: `${attribute}='300' ${attribute}-hi='600'`,
      hit: { body: { [field]: 513 } },
      miss: { body: { [field]: 601 } },
    },
  ];
}

function stpAddresses(attribute: string, field: string): Attribute[] {
  return [
    {
      is: `${attribute}='52:54:00:00:08:01'`,
      hit: { body: { [field]: "52:54:00:00:08:01" } },
      miss: { body: { [field]: "52:54:00:00:08:02" } },
    },
    {
      is: `${attribute}='52:54:00:00:08:00' ${attribute}-mask='ff:ff:ff:ff:ff:00'`,
      hit: { body: { [field]: "52:54:00:00:08:02" } },
      miss: { body: { [field]: "52:54:00:00:09:02" } },
    },
  ];
}

/** The kernel's match, ebt_stp.c of Linux 6.18, takes the protocol identifier of two bytes for one. */
const oneByteEarly = "the kernel's match reads every field of a BPDU one byte too early";

const stpAttributes: readonly Attribute[] = [
  {
    is: "srcmacaddr='52:54:00:0b:00:01'",
    hit: { from: "52:54:00:0b:00:01" },
    miss: { from: "52:54:00:0b:00:02" },
    only: "in",
  },
  { is: "type='128'", hit: { body: { type: 128 } }, miss: { body: { type: 0 } } },
  { is: "flags='1'", hit: { body: { flags: 1 } }, miss: { body: { flags: 3 } } },
  ...stpNumbers("root-priority", "rootPriority"),
  ...stpAddresses("root-address", "rootAddress"),
  {
    is: "root-cost='70000' root-cost-hi='80000'",
    hit: { body: { rootCost: 80_000 } },
    miss: { body: { rootCost: 80_001 } },
    isFarEnd: true,
  },
  ...stpNumbers("sender-priority", "senderPriority"),
  ...stpAddresses("sender-address", "senderAddress"),
  ...stpNumbers("port", "port"),
  ...stpNumbers("age", "age"),
  ...stpNumbers("max-age", "maxAge"),
  ...stpNumbers("hello-time", "helloTime"),
  ...stpNumbers("forward-delay", "forwardDelay"),
];

const stp: ProtocolCase = {
  protocol: "stp",
  packet: (way: Direction): Packet => ({
    from: linkFor(way).from,
    to: "01:80:c2:00:00:00",
    body: { kind: "stp" },
  }),
  farEnd: farCost,
  attributes: stpAttributes.map((attribute) => ({ ...attribute, libvirtErrs: oneByteEarly })),
};
export const ethernetCases: readonly ProtocolCase[] = [
  mac,
  vlan,
  stp,
  arpCase("arp"),
  arpCase("rarp"),
  ip,
  ipv6,
];
