import type { Intent } from "../model/intent.ts";
import type { StateTest } from "../model/packet-rule.ts";
import type { Chain, Expression, Rule, Statement } from "../nft/ast.ts";
import {
  accept,
  anonymousSet,
  ct,
  equal,
  flags,
  has,
  iifname,
  l4proto,
  leave,
  masked,
  meta,
  notEqual,
  oifname,
  payload,
  raw,
  reference,
  rule,
  goto,
  value,
} from "../nft/build.ts";
import { refuse } from "./verdicts.ts";

/**
 * How bridge chains know the state of connections: from the kernel itself where it tracks on bridges (nf_conntrack_bridge, since 5.3),
 * else from bits of the packet mark, into which inet chains write it where br_netfilter leads them a bridge's packets.
 */
export type Tracking =
  { readonly kind: "connections" } | { readonly kind: "stamps"; readonly shift: number };

/** Undefined where connections on bridges cannot be known. Stamps are the three bits below that of virtwall's verdict, or above it. */
export function trackingOf(intent: Intent): Tracking | undefined {
  if (intent.bridgeTracking === "none") return undefined;
  if (intent.bridgeTracking === "connections") return { kind: "connections" };
  return { kind: "stamps", shift: stampShift(intent) };
}

export function stampShift({ mark }: Intent): number {
  const bit = Math.log2(mark);
  return bit >= 3 ? bit - 3 : bit + 1;
}

const stamps = [
  { stamp: 1, state: "new", direction: "original" },
  { stamp: 2, state: "established", direction: "original" },
  { stamp: 3, state: "established", direction: "reply" },
  // No rule asks for its direction.
  { stamp: 4, state: "related" },
] as const;
/** Of no connection at all, as neighbour discovery is. */
const statelessStamp = 5;
const invalidStamp = 6;
/** On its way out of a bridge: the state has been asked, and br_netfilter comes by once more (its postrouting is the last of all). */
const doneStamp = 7;

export function stateMatches(test: StateTest, tracking: Tracking): Statement[] {
  if (tracking.kind === "connections") {
    return [
      has(ct("state"), flags(...test.states)),
      ...(test.direction === undefined ? [] : [equal(ct("direction"), value(test.direction))]),
    ];
  }
  const wanted = stamps
    .filter((each) => test.states.includes(each.state) && isOfDirection(each, test))
    .map(({ stamp }) => stamp);
  const all = test.states.includes("invalid") ? [...wanted, invalidStamp] : wanted;
  const values = all.map((stamp) => value(stampBits(stamp, tracking.shift)));
  const [only] = values;
  const right = values.length === 1 && only !== undefined ? only : anonymousSet(...values);
  return [equal(masked(meta("mark"), value(maskOf(tracking.shift))), right)];
}

function isOfDirection(each: (typeof stamps)[number], { direction }: StateTest): boolean {
  return direction === undefined || !("direction" in each) || each.direction === direction;
}

const stampBits = (stamp: number, shift: number) => stamp * 2 ** shift;
const maskOf = (shift: number) => stampBits(7, shift);

/** The last of all, behind every chain that may rewrite the packet. */
const lastPriority = 2147483647;

/** The chains of `inet virtwall` that write the state into packets of the bridges in `stamped_bridges`. */
export function stampChains(shift: number): Chain[] {
  const isDone = equal(marked(shift), value(stampBits(doneStamp, shift)));
  return [
    {
      name: "stamp_prerouting",
      base: { type: "filter", hook: "prerouting", priority: lastPriority, policy: "accept" },
      rules: [rule(equal(iifname, reference("stamped_bridges")), goto("stamp"))],
    },
    {
      name: "stamp_postrouting",
      // Just ahead of the kernel's own last one, which confirms connections.
      base: { type: "filter", hook: "postrouting", priority: lastPriority - 1, policy: "accept" },
      rules: [
        rule(equal(oifname, reference("stamped_bridges")), isDone, setStamp(0, shift), leave),
        rule(equal(oifname, reference("stamped_bridges")), goto("stamp")),
      ],
    },
    {
      name: "stamp",
      rules: [
        ...stamps.map((each) =>
          rule(
            has(ct("state"), value(each.state)),
            ...("direction" in each ? [equal(ct("direction"), value(each.direction))] : []),
            setStamp(each.stamp, shift),
            leave,
          ),
        ),
        rule(has(ct("state"), value("invalid")), setStamp(invalidStamp, shift), leave),
        rule(setStamp(statelessStamp, shift)),
      ],
    },
  ];
}

/**
 * Ahead of rules that ask for stamps: br_netfilter has not seen the packet, be it that somebody has switched it off, so that no rule
 * could tell its state, and a drop of some state would let it pass.
 */
export function unstampedRule(shift: number): Rule {
  return rule(equal(marked(shift), value(0)), isIp, ...refuse);
}

/** In `bridge virtwall`: nothing but the bridge sees the state, so that it decides no route. */
export function stampEndRules(shift: number): { input: Rule; postrouting: Rule } {
  const isStamped = notEqual(marked(shift), value(0));
  return {
    input: rule(isStamped, setStamp(0, shift)),
    postrouting: rule(isStamped, setStamp(doneStamp, shift)),
  };
}

/**
 * On a bridge: the host sends or routes it. Frames from a port have no route, or one without a realm from br_netfilter, which makes
 * them whole and so is never asked. Any realm but the last, since nft lists those that the host has names for by name.
 */
export const hasRoute = notEqual(meta("rtclassid"), value("4294967295"));

/**
 * What a filter on a bridge answers comes out of the bridge as a frame without connection and route. It is the guest's answer, and no
 * filter's matter on its way to the guest. It is known by the stamp of what is done with, which nothing else bears to there.
 */
export function answerRules(shift: number) {
  const isDone = equal(marked(shift), value(stampBits(doneStamp, shift)));
  const others = rule(isDone, setStamp(0, shift));
  const answer = (unreachable: number, protocol: string, type: string) =>
    rule(
      equal(raw("th", 0, 8), value(unreachable)),
      equal(l4proto, value(protocol)),
      has(ct("state"), value("invalid")),
      equal(payload("ether", "type"), value(type)),
      setStamp(doneStamp, shift),
    );
  return {
    forward: [others],
    output: [others, rule(hasRoute, leave), answer(3, "icmp", "ip"), answer(1, "ipv6-icmp", "ip6")],
    postrouting: rule(isDone, setStamp(0, shift), accept),
  };
}

const isIp = equal(payload("ether", "type"), anonymousSet(value("ip"), value("ip6")));

const marked = (shift: number): Expression => masked(meta("mark"), value(maskOf(shift)));

/** In the one form that nft leaves as it is: bits that are set are not cleared before. */
function setStamp(stamp: number, shift: number): Statement {
  const bits = stampBits(stamp, shift);
  const kept = ((0xffffffff ^ maskOf(shift)) | bits) >>> 0;
  const rest = kept === 0xffffffff ? meta("mark") : masked(meta("mark"), value(kept));
  const whole: Expression = stamp === 0 ? rest : { kind: "|", left: rest, right: value(bits) };
  return { kind: "mangle", key: meta("mark"), value: whole };
}
