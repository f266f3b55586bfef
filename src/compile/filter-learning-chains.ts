import type { LearningMode } from "../model/filter-learning.ts";
import type { Chain, Expression, Rule, Statement } from "../nft/ast.ts";
import {
  accept,
  anonymousSet,
  concat,
  equal,
  iifname,
  leave,
  notEqual,
  oifname,
  prefix,
  range,
  raw,
  reference,
  rule,
  value,
  vmap,
} from "../nft/build.ts";
import {
  iif,
  learnedSet,
  lockedLinkSet,
  lockedSet4,
  oif,
  source4,
  source6,
  udp,
} from "./filter-learning.ts";
import { slots6 } from "./filter-learning-sets.ts";
import { neighbourDiscovery } from "./on-link.ts";

/** What learns, for the modes that there are. */
export function learningChains(modes: readonly LearningMode[]): Chain[] {
  return [...modes.flatMap((mode) => chainsOf[mode]()), hook("forward"), hook("output")];
}

const chainsOf: Readonly<Record<LearningMode, () => Chain[]>> = {
  any: () => [
    {
      name: "learn_ip",
      rules: [notOthers(source4), rule(oneHost(source4), ...learn(iif, source4))],
    },
    { name: "learn_arp", rules: learnFromArp() },
    { name: "learn_ip6", rules: [...learnLink6("any"), ...learnGlobal6()] },
    { name: "learn_reply", rules: [learnFromReply(), passUnlocked("any")] },
    { name: "pass_reply", rules: [passKnown("any"), passUnlocked("any")] },
  ],
  dhcp: () => [
    { name: "learn_link6", rules: learnLink6("dhcp") },
    { name: "learn_release", rules: [forget()] },
    { name: "learn_lease", rules: [...learnFromLease(), passUnlocked("dhcp")] },
    { name: "pass_lease", rules: [passKnown("dhcp"), passUnlocked("dhcp")] },
  ],
};

/**
 * Where it is known by which port a frame came: no guest gives another an address, nor itself one over a port in hairpin mode.
 * Behind br_netfilter (0).
 */
function hook(name: "forward" | "output"): Chain {
  const isNoGuests = notEqual(iifname, reference("taps"));
  const lead = rule(...udp(67, 68), vmap(oifname, "dhcp_learners"));
  return {
    name: `learn_${name}`,
    base: { type: "filter", hook: name, priority: 1, policy: "accept" },
    rules: [name === "output" ? lead : { ...lead, statements: [isNoGuests, ...lead.statements] }],
  };
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

const day = 86_400;

/** Neither nobody's, nor many's. */
const oneHost = (field: Expression) =>
  notEqual(field, anonymousSet(value(0), range(0xe0000000, 0xffffffff)));

/** Whom somebody else than the guests has given the address, if anybody, is the only one to learn it from its own word. */
const notOthers = (field: Expression, family: 4 | 6 = 4): Rule =>
  rule(
    equal(field, reference(`vouched${family}`)),
    notEqual(concat(iifname, field), reference(`vouched${family}_own`)),
    leave,
  );

const learn = (port: Expression, field: Expression): Statement[] => [
  add(learnedSet(4, "any"), port, field),
  add(lockedSet4("any"), port),
];

function learnFromArp(): Rule[] {
  const sender = raw("nh", 112, 32);
  const isOfIp = equal(raw("nh", 0, 48), value(0x000108000604));
  return [notOthers(sender), rule(isOfIp, oneHost(sender), ...learn(iif, sender))];
}

const linkLocal = prefix("fe80::", 10);

/** As long as it is in use; guests change theirs by themselves (RFC 8981). */
const use6 = (mode: LearningMode) => renew(7 * day, learnedSet(6, mode), iif, source6);

/** One new address a slot and day. */
const learn6 = (slot: string, mode: LearningMode): Statement[] => [
  notEqual(iif, reference(slot)),
  use6(mode),
  renew(day, slot, iif),
  leave,
];

/** Who has no address yet may see whether one is free. With `dhcp` there is no more than that: the guest's own word gives no address. */
function learnLink6(mode: LearningMode): Rule[] {
  return [
    rule(equal(concat(iif, source6), reference(learnedSet(6, mode))), use6(mode), leave),
    rule(equal(source6, value("::")), neighbourDiscovery, accept),
    rule(equal(source6, linkLocal), ...learn6(lockedLinkSet(mode), mode)),
  ];
}

function learnGlobal6(): Rule[] {
  return [
    rule(equal(source6, anonymousSet(value("::"), linkLocal, prefix("ff00::", 8))), leave),
    notOthers(source6, 6),
    ...slots6.map((slot) => rule(...learn6(slot, "any"))),
  ];
}

/** The message type stands first among the options of all servers and clients known, though no standard says so; bits 1984 to 2008. */
const isDhcp = (type: number) => equal(raw("th", 1984, 24), value(0x350100 + type));
const dhcpAck = 5;
const dhcpRelease = 7;
const yourAddress = raw("th", 192, 32);
const clientAddress = raw("th", 160, 32);

function forget(): Rule {
  const learned = learnedSet(4, "dhcp");
  return rule(
    isDhcp(dhcpRelease),
    equal(concat(iif, clientAddress), reference(learned)),
    remove(learned, iif, clientAddress),
    remove(lockedSet4("dhcp"), iif),
    accept,
  );
}

/** A reply may be for somebody else on the bridge. */
const givesAddress: readonly Statement[] = [
  isDhcp(dhcpAck),
  oneHost(yourAddress),
  equal(concat(oifname, raw("th", 288, 48)), reference("learning_macs")),
];

/** With `any` there is one address; DHCP alone may give several. */
const learnFromReply = () =>
  rule(
    ...givesAddress,
    notEqual(oif, reference(lockedSet4("any"))),
    ...learn(oif, yourAddress),
    accept,
  );

const passUnlocked = (mode: LearningMode) =>
  rule(notEqual(oif, reference(lockedSet4(mode))), accept);

/** It says what is known. */
const passKnown = (mode: LearningMode) =>
  rule(isDhcp(dhcpAck), equal(concat(oif, yourAddress), reference(learnedSet(4, mode))), accept);

/**
 * nft takes no time from a packet. dnsmasq and ISC's server write the lease's behind message type and server: there it is told in steps.
 * Elsewhere it is taken for the longest that a server is known to give where nobody says anything, Windows Server's eight days.
 */
const longestLease = 8 * day;
const leaseSteps = [3600, day];

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
  renew(seconds, learnedSet(4, "dhcp"), oif, yourAddress),
  renew(seconds, lockedSet4("dhcp"), oif),
];
