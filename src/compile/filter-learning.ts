import { type Address, toBits } from "../base/address.ts";
import type { LearningMode } from "../model/filter-learning.ts";
import type { Chain, Element, Expression, Rule, SetDefinition, Statement } from "../nft/ast.ts";
import {
  accept,
  anonymousSet,
  concat,
  equal,
  iifname,
  jump,
  l4proto,
  leave,
  meta,
  notEqual,
  oifname,
  payload,
  prefix,
  range,
  raw,
  reference,
  rule,
  value,
} from "../nft/build.ts";
import { neighbourDiscovery } from "./on-link.ts";

/*
 * Addresses of nics, learned in the kernel alone. A tap is known by its number here, which no later tap has again: so what was learned is
 * forgotten with the tap, and nobody need take it away. IPv4 addresses are raw payload, as that of DHCP has no other type.
 */

const iif = meta("iif");
const oif = meta("oif");
const etherType = payload("ether", "type");
const isIp = equal(etherType, value("ip"));
const isArp = equal(etherType, value("arp"));
const isIp6 = equal(etherType, value("ip6"));

/** What a filter's rule asks where it names a learned address. */
export function learnedKey(port: "from" | "to", field: Expression): Expression {
  return concat(port === "from" ? iif : oif, field);
}

type Key = readonly [Expression, ...Expression[]];

const change = (op: "add" | "update" | "delete", set: string, key: Key) =>
  ({ kind: "set", op, set, key: key.length === 1 ? key[0] : concat(...key) }) as const;
const add = (set: string, ...key: Key) => change("add", set, key);
const renew = (timeout: number, set: string, ...key: Key) => ({
  ...change("update", set, key),
  timeout,
});
const remove = (set: string, ...key: Key) => change("delete", set, key);

const udp = (from: number, to: number): Statement[] => [
  equal(
    concat(payload("th", "sport"), payload("th", "dport")),
    anonymousSet(concat(value(from), value(to))),
  ),
  equal(l4proto, value("udp")),
  isIp,
];

/** What stands ahead of a filter's own rules. `servers` is the set of those that may give addresses, where not all may. */
export function learningRules(
  direction: "from" | "to",
  mode: LearningMode,
  families: { readonly has4: boolean; readonly has6: boolean; readonly servers?: string },
): Rule[] {
  if (direction === "to") return families.has4 ? [replies(mode, families.servers)] : [];
  const unlocked = notEqual(iif, reference("locked4"));
  return [
    ...(families.has4
      ? [
          ...(mode === "dhcp" ? [release] : []),
          rule(unlocked, equal(payload("ip", "saddr"), value("0.0.0.0")), ...udp(68, 67), accept),
          ...(mode === "any"
            ? [rule(unlocked, isIp, jump("learn_ip")), rule(unlocked, isArp, jump("learn_arp"))]
            : []),
        ]
      : []),
    ...(families.has6
      ? [
          rule(
            notEqual(concat(iif, payload("ip6", "saddr")), reference("learned6")),
            isIp6,
            jump(mode === "any" ? "learn_ip6" : "learn_link6"),
          ),
        ]
      : []),
  ];
}

/** With `any` a guest would take one address after the other by it. */
const release = rule(
  equal(concat(iif, raw("nh", 96, 32)), reference("learned4")),
  ...udp(68, 67),
  jump("learn_release"),
);

/** With `any` there is one address; DHCP alone may give several. */
function replies(mode: LearningMode, servers: string | undefined): Rule {
  return rule(
    ...(mode === "any" ? [notEqual(oif, reference("locked4"))] : []),
    ...(servers === undefined
      ? []
      : [equal(concat(oifname, payload("ip", "saddr")), reference(servers))]),
    ...udp(67, 68),
    jump(mode === "any" ? "learn_reply" : "learn_lease"),
  );
}

/** Neither nobody's, nor many's. */
const oneHost = (field: Expression) =>
  notEqual(field, anonymousSet(value(0), range(0xe0000000, 0xffffffff)));

/** The message type stands first among the options of all servers and clients known, though no standard says so; bits 1984 to 2008. */
const isDhcp = (type: number) => equal(raw("th", 1984, 24), value(0x350100 + type));
const dhcpAck = 5;
const dhcpRelease = 7;
const yourAddress = raw("th", 192, 32);
const clientAddress = raw("th", 160, 32);

/** One link-local address and three others a nic. */
const slots6 = ["locked6_1", "locked6_2", "locked6_3"];

export function learningChains(): Chain[] {
  return [
    {
      name: "learn_ip",
      rules: [rule(oneHost(raw("nh", 96, 32)), ...learn(iif, raw("nh", 96, 32)))],
    },
    { name: "learn_arp", rules: [learnFromArp()] },
    { name: "learn_ip6", rules: [...learnLink6(), ...learnGlobal6()] },
    { name: "learn_link6", rules: learnLink6() },
    { name: "learn_release", rules: [forget()] },
    { name: "learn_reply", rules: [learnFromReply(), otherReply] },
    { name: "learn_lease", rules: [...learnFromLease(), otherReply] },
  ];
}

const learn = (port: Expression, field: Expression): Statement[] => [
  add("learned4", port, field),
  add("locked4", port),
];

function learnFromArp(): Rule {
  const sender = raw("nh", 112, 32);
  const isOfIp = equal(raw("nh", 0, 48), value(0x000108000604));
  return rule(isOfIp, oneHost(sender), ...learn(iif, sender));
}

const source6 = payload("ip6", "saddr");
const linkLocal = prefix("fe80::", 10);

const learn6 = (slot: string): Statement[] => [
  notEqual(iif, reference(slot)),
  add("learned6", iif, source6),
  add(slot, iif),
  leave,
];

/** Who has no address yet may see whether one is free. With `dhcp` there is no more than that: the guest's own word gives no address. */
function learnLink6(): Rule[] {
  return [
    rule(equal(source6, value("::")), neighbourDiscovery, accept),
    rule(equal(source6, linkLocal), ...learn6("locked6_link")),
  ];
}

function learnGlobal6(): Rule[] {
  const notGlobal = anonymousSet(value("::"), linkLocal, prefix("ff00::", 8));
  return slots6.map((slot) => rule(notEqual(source6, notGlobal), ...learn6(slot)));
}

function forget(): Rule {
  return rule(
    isDhcp(dhcpRelease),
    equal(concat(iif, clientAddress), reference("learned4")),
    remove("learned4", iif, clientAddress),
    remove("locked4", iif),
    accept,
  );
}

/** A reply may be for somebody else on the bridge. */
const givesAddress: readonly Statement[] = [
  isDhcp(dhcpAck),
  oneHost(yourAddress),
  equal(concat(oifname, raw("th", 288, 48)), reference("learning_macs")),
];

const learnFromReply = () => rule(...givesAddress, ...learn(oif, yourAddress), accept);
const otherReply = rule(notEqual(oif, reference("locked4")), accept);

/**
 * nft takes no time from a packet. dnsmasq and ISC's server write the lease's behind message type and server: there it is told in steps.
 * Elsewhere it is taken for the longest that a server is known to give where nobody says anything, Windows Server's eight days.
 */
const longestLease = 8 * 86_400;
const leaseSteps = [3600, 86_400];

function learnFromLease(): Rule[] {
  const isTime = equal(raw("ih", 1992, 16), value(0x3304));
  const steps = leaseSteps.map((seconds) =>
    rule(
      equal(raw("ih", 2008, 32), range(0, seconds)),
      isTime,
      ...givesAddress,
      ...lease(seconds),
      accept,
    ),
  );
  return [...steps, rule(...givesAddress, ...lease(longestLease), accept)];
}

/** Each acknowledgement renews it. */
const lease = (seconds: number): Statement[] => [
  renew(seconds, "learned4", oif, yourAddress),
  renew(seconds, "locked4", oif),
];

/** Far more than there are taps in a host's life; the memory is taken only as they are used. */
export const dynamicSize = 1_048_576;

/** A nic, and an address that libvirt's DHCP server has given it: that is known from libvirt, and not learned. */
export function leasedElement(tap: string, address: Address): Element {
  return { key: concat(value(tap), value(Number(toBits(address)))) };
}

/** What a filter's rule asks of an IPv4 address where DHCP alone gives addresses, beside what was learned. */
export function leasedKey(port: "from" | "to", field: Expression): Expression {
  return concat(port === "from" ? iifname : oifname, field);
}

/** `macs` are the nics whose addresses are learned, `leased` what libvirt has given to some. */
export function learningSets(
  macs: readonly Element[],
  leased: readonly Element[],
): SetDefinition[] {
  const leasable = { flags: ["dynamic", "timeout"] } as const;
  const dynamic = { size: dynamicSize, flags: ["dynamic"], counter: false, elements: [] } as const;
  return [
    {
      name: "learned4",
      ...dynamic,
      ...leasable,
      type: ["iface_index", "integer"],
      keyLike: concat(iif, raw("nh", 96, 32)),
    },
    { name: "learned6", ...dynamic, type: ["iface_index", "ipv6_addr"] },
    { name: "locked4", ...dynamic, ...leasable, type: ["iface_index"] },
    ...["locked6_link", ...slots6].map((name) => ({
      name,
      ...dynamic,
      type: ["iface_index"],
    })),
    {
      name: "leased4",
      flags: [],
      counter: false,
      elements: leased,
      type: ["ifname", "integer"],
      keyLike: concat(iifname, raw("nh", 96, 32)),
    },
    {
      name: "learning_macs",
      flags: [],
      counter: false,
      elements: macs,
      type: ["ifname", "integer"],
      keyLike: concat(oifname, raw("th", 288, 48)),
    },
  ];
}
