import type { Family } from "../base/address.ts";
import type { LearningMode } from "../model/filter-learning.ts";
import type { Expression, Rule, Statement } from "../nft/ast.ts";
import {
  accept,
  anonymousSet,
  concat,
  equal,
  iifname,
  jump,
  l4proto,
  meta,
  notEqual,
  oifname,
  payload,
  raw,
  reference,
  rule,
  value,
} from "../nft/build.ts";

/*
 * Addresses of nics, learned in the kernel alone. A tap is known by its number here, which no later tap has again: so what was learned is
 * forgotten with the tap, and nobody need take it away. IPv4 addresses are raw payload, as that of DHCP has no other type. Each mode has
 * sets of its own: what a guest's own word has given is worth nothing where DHCP alone gives addresses.
 */

export const iif = meta("iif");
export const oif = meta("oif");
export const source4 = raw("nh", 96, 32);
export const source6 = payload("ip6", "saddr");
const etherType = payload("ether", "type");
const isIp = equal(etherType, value("ip"));
const isArp = equal(etherType, value("arp"));
const isIp6 = equal(etherType, value("ip6"));

const forMode = (name: string, mode: LearningMode) => (mode === "any" ? name : `${name}_${mode}`);
/** What was learned. */
export const learnedSet = (family: Family, mode: LearningMode) => forMode(`learned${family}`, mode);
/** Who learns no more of IPv4. */
export const lockedSet4 = (mode: LearningMode) => forMode("locked4", mode);
/** Who learns no other link-local address. */
export const lockedLinkSet = (mode: LearningMode) => forMode("locked6_link", mode);

/** What a filter's rule asks where it names a learned address. */
export function learnedKey(port: "from" | "to", field: Expression): Expression {
  return concat(port === "from" ? iif : oif, field);
}

/** What a filter's rule asks of an IPv4 address where DHCP alone gives addresses, beside what was learned. */
export function leasedKey(port: "from" | "to", field: Expression): Expression {
  return concat(port === "from" ? iifname : oifname, field);
}

export const udp = (from: number, to: number): Statement[] => [
  equal(
    concat(payload("th", "sport"), payload("th", "dport")),
    anonymousSet(concat(value(from), value(to))),
  ),
  equal(l4proto, value("udp")),
  isIp,
];

/** What stands ahead of a filter's own rules. `servers` is the set of those that may give addresses, where the binding lists some. */
export function learningRules(
  direction: "from" | "to",
  mode: LearningMode,
  families: { readonly has4: boolean; readonly has6: boolean; readonly servers?: string },
): Rule[] {
  if (direction === "to") return families.has4 ? [replies(mode, families.servers)] : [];
  return [...(families.has4 ? questions(mode) : []), ...(families.has6 ? [source6Rule(mode)] : [])];
}

function questions(mode: LearningMode): Rule[] {
  const unlocked = notEqual(iif, reference(lockedSet4(mode)));
  return [
    ...(mode === "dhcp" ? [release] : []),
    rule(unlocked, equal(payload("ip", "saddr"), value("0.0.0.0")), ...udp(68, 67), accept),
    ...(mode === "any"
      ? [rule(unlocked, isIp, jump("learn_ip")), rule(unlocked, isArp, jump("learn_arp"))]
      : []),
  ];
}

/** With `any` a guest would take one address after the other by it. */
const release = rule(
  equal(concat(iif, source4), reference(learnedSet(4, "dhcp"))),
  ...udp(68, 67),
  jump("learn_release"),
);

/** Known addresses come by too: it is their use that keeps them. */
const source6Rule = (mode: LearningMode) =>
  rule(isIp6, jump(mode === "any" ? "learn_ip6" : "learn_link6"));

/**
 * Who may give addresses is told by their own where some are listed. Elsewhere it is told by the port that the frame came by, which is
 * known no more here: then the nic has learned already.
 */
function replies(mode: LearningMode, servers: string | undefined): Rule {
  const [learn, pass] =
    mode === "any" ? ["learn_reply", "pass_reply"] : ["learn_lease", "pass_lease"];
  if (servers === undefined) return rule(...udp(67, 68), jump(pass));
  const isListed = equal(concat(oifname, payload("ip", "saddr")), reference(servers));
  return rule(isListed, ...udp(67, 68), jump(learn));
}
