/** What an attribute of a filter's rule may hold; libvirt 11.3 nwfilter_conf.c, enum attrDatatype. */
export type AttributeType =
  | {
      readonly kind: "number";
      readonly min?: number;
      readonly max: number;
      /** Names of some of the numbers. libvirt takes them in upper and lower case. */
      readonly words?: ReadonlyMap<string, number>;
    }
  | { readonly kind: "mac" | "mac-mask" | "ipv4" | "ipv4-mask" | "ipv6" | "ipv6-mask" }
  | { readonly kind: "boolean" | "ipset-name" | "ipset-flags" | "state" | "tcp-flags" };

export interface FilterProtocol {
  /** Which of libvirt's two layers judges it: frames on the bridge, or packets with the state of their connection. */
  readonly layer: "ethernet" | "ip";
  /** In the order in which libvirt writes them. */
  readonly attributes: ReadonlyMap<string, AttributeType>;
}

const u8 = { kind: "number", max: 0xff } as const;
const u16 = { kind: "number", max: 0xffff } as const;
const u32 = { kind: "number", max: 0xffffffff } as const;
const dscp = { kind: "number", max: 63 } as const;
const mac = { kind: "mac" } as const;
const macMask = { kind: "mac-mask" } as const;

const etherTypes = new Map([
  ["arp", 0x0806],
  ["rarp", 0x8035],
  ["ipv4", 0x0800],
  ["ipv6", 0x86dd],
  ["vlan", 0x8100],
]);

const arpOperations = new Map([
  ["Request", 1],
  ["Reply", 2],
  ["Request_Reverse", 3],
  ["Reply_Reverse", 4],
  ["DRARP_Request", 5],
  ["DRARP_Reply", 6],
  ["DRARP_Error", 7],
  ["InARP_Request", 8],
  ["ARP_NAK", 9],
]);

const ipProtocols = new Map([
  ["tcp", 6],
  ["udp", 17],
  ["udplite", 136],
  ["esp", 50],
  ["ah", 51],
  ["icmp", 1],
  ["igmp", 2],
  ["sctp", 132],
  ["icmpv6", 58],
]);

type Attributes = Readonly<Record<string, AttributeType>>;

const macs: Attributes = {
  srcmacaddr: mac,
  srcmacmask: macMask,
  dstmacaddr: mac,
  dstmacmask: macMask,
};

const ports: Attributes = {
  srcportstart: u16,
  srcportend: u16,
  dstportstart: u16,
  dstportend: u16,
};

/** An attribute and the upper end of its range, as the spanning tree protocol's are named. */
function range(name: string, type: AttributeType): Attributes {
  return { [name]: type, [`${name}-hi`]: type };
}

function addresses(family: "ipv4" | "ipv6"): Attributes {
  const address = { kind: family };
  const mask = { kind: `${family}-mask` } as const;
  return { srcipaddr: address, srcipmask: mask, dstipaddr: address, dstipmask: mask };
}

const stp: Attributes = {
  srcmacaddr: mac,
  srcmacmask: macMask,
  type: u8,
  flags: u8,
  ...range("root-priority", u16),
  "root-address": mac,
  "root-address-mask": macMask,
  ...range("root-cost", u32),
  ...range("sender-priority", u16),
  "sender-address": mac,
  "sender-address-mask": macMask,
  ...range("port", u16),
  ...range("age", u16),
  ...range("max-age", u16),
  ...range("hello-time", u16),
  ...range("forward-delay", u16),
};

const arp: Attributes = {
  ...macs,
  hwtype: u16,
  protocoltype: u16,
  opcode: { ...u16, words: arpOperations },
  arpsrcmacaddr: mac,
  arpdstmacaddr: mac,
  arpsrcipaddr: { kind: "ipv4" },
  arpsrcipmask: { kind: "ipv4-mask" },
  arpdstipaddr: { kind: "ipv4" },
  arpdstipmask: { kind: "ipv4-mask" },
  gratuitous: { kind: "boolean" },
};

const protocol: AttributeType = { ...u8, words: ipProtocols };

const ipv6: Attributes = {
  ...macs,
  ...addresses("ipv6"),
  protocol,
  ...ports,
  type: u8,
  typeend: u8,
  code: u8,
  codeend: u8,
};

/** What each protocol of the IP layer has. `dstipto` is IPv6's too, which libvirt takes for IPv4 (nwfilter_conf.c, COMMON_IP_PROPS). */
function common(family: "ipv4" | "ipv6"): Attributes {
  const address = { kind: family };
  return {
    srcmacaddr: mac,
    ...addresses(family),
    srcipfrom: address,
    srcipto: address,
    dstipfrom: address,
    dstipto: address,
    dscp,
    "connlimit-above": u16,
    state: { kind: "state" },
    ipset: { kind: "ipset-name" },
    ipsetflags: { kind: "ipset-flags" },
  };
}

const icmp: Attributes = { type: u8, code: u8 };
const option: Attributes = { option: u8 };

function ethernet(attributes: Attributes): FilterProtocol {
  return { layer: "ethernet", attributes: new Map(Object.entries(attributes)) };
}

function ip(family: "ipv4" | "ipv6", own: Attributes): FilterProtocol {
  return { layer: "ip", attributes: new Map(Object.entries({ ...common(family), ...own })) };
}

/** Every element that a rule may hold. */
export const filterProtocols: ReadonlyMap<string, FilterProtocol> = new Map([
  ["mac", ethernet({ ...macs, protocolid: { ...u16, min: 0x600, words: etherTypes } })],
  [
    "vlan",
    ethernet({
      ...macs,
      vlanid: { kind: "number", max: 4095 },
      "encap-protocol": { ...u16, min: 0x3c, words: etherTypes },
    }),
  ],
  ["stp", ethernet(stp)],
  ["arp", ethernet(arp)],
  ["rarp", ethernet(arp)],
  ["ip", ethernet({ ...macs, ...addresses("ipv4"), protocol, ...ports, dscp })],
  ["ipv6", ethernet(ipv6)],
  ["tcp", ip("ipv4", { ...ports, ...option, flags: { kind: "tcp-flags" } })],
  ["udp", ip("ipv4", ports)],
  ["udplite", ip("ipv4", {})],
  ["esp", ip("ipv4", {})],
  ["ah", ip("ipv4", {})],
  ["sctp", ip("ipv4", ports)],
  ["icmp", ip("ipv4", icmp)],
  ["igmp", ip("ipv4", {})],
  ["all", ip("ipv4", {})],
  ["tcp-ipv6", ip("ipv6", { ...ports, ...option })],
  ["udp-ipv6", ip("ipv6", ports)],
  ["udplite-ipv6", ip("ipv6", {})],
  ["esp-ipv6", ip("ipv6", {})],
  ["ah-ipv6", ip("ipv6", {})],
  ["sctp-ipv6", ip("ipv6", ports)],
  ["icmpv6", ip("ipv6", icmp)],
  ["all-ipv6", ip("ipv6", {})],
]);

/** Attributes that say nothing alone: masks, upper ends and the like, each with the one that it completes. */
export const completedBy: ReadonlyMap<string, string> = new Map([
  ["srcmacmask", "srcmacaddr"],
  ["dstmacmask", "dstmacaddr"],
  ["srcipmask", "srcipaddr"],
  ["dstipmask", "dstipaddr"],
  ["arpsrcipmask", "arpsrcipaddr"],
  ["arpdstipmask", "arpdstipaddr"],
  ["root-address-mask", "root-address"],
  ["sender-address-mask", "sender-address"],
  ["srcipto", "srcipfrom"],
  ["dstipto", "dstipfrom"],
  ["srcportend", "srcportstart"],
  ["dstportend", "dstportstart"],
  ["typeend", "type"],
  ["codeend", "code"],
  ["ipsetflags", "ipset"],
  ...Object.keys(stp).flatMap((name): [string, string][] =>
    name.endsWith("-hi") ? [[name, name.slice(0, -3)]] : [],
  ),
]);
