import type { ExpandedRule } from "./filter-expansion.ts";
import { filterProtocols } from "./filter-protocols.ts";

/** Which packets of tracked connections a rule means. */
export interface StateTest {
  readonly states: readonly ("new" | "established" | "related" | "invalid")[];
  /** Absent: both ways. */
  readonly direction?: "original" | "reply";
}

/** How a rule about packets stands on one of a guest's two ways: `from` it, and `to` it. */
export interface PacketRendering {
  /** Source and destination change places. */
  readonly isReversed: boolean;
  readonly test?: StateTest;
}

/** The rule is about packets and their connections; all others are about frames. */
export function isOfPackets({ rule: { protocol } }: ExpandedRule): boolean {
  return protocol !== undefined && filterProtocols.get(protocol)?.layer === "ip";
}

/**
 * A rule about packets as libvirt's iptables driver has it (11.3 nwfilter_ebiptables_driver.c, iptablesCreateRuleInstance): what opens
 * a connection one way lets its answers back. Unlike there a drop holds in the direction that the rule names, and not for packets with
 * its ports and addresses the other way round; and a rule for both ways may name a type of ICMP. Undefined where the rule does not stand.
 */
export function packetRendering(
  { rule }: ExpandedRule,
  way: "from" | "to",
): PacketRendering | undefined {
  const rendering = renderingOf(rule, way);
  return rendering?.isReversed && countsConnections(rule) ? undefined : rendering;
}

function renderingOf(rule: ExpandedRule["rule"], way: "from" | "to"): PacketRendering | undefined {
  const isOwn = rule.direction === (way === "from" ? "out" : "in");
  const isBoth = rule.direction === "inout";
  const isReversed = way === "from" ? !isOwn : !isOwn && !isBoth;
  const stated = statedIn(rule);
  if (stated !== undefined) {
    if (!isOwn && !isBoth) return undefined;
    return stated === "none" ? { isReversed } : { isReversed, test: { states: stated } };
  }
  if (isBoth || countsConnections(rule)) return { isReversed };
  if (rule.action !== "accept") return isOwn ? { isReversed } : undefined;
  const test = openingTest(rule, isOwn);
  if (test === undefined) return undefined;
  return rule.isStateless ? { isReversed } : { isReversed, test };
}

const opening: StateTest["states"] = ["new", "established"];

/** A type of ICMP is that of the question, so that the rule says nothing of the answer. */
function openingTest({ matches }: ExpandedRule["rule"], isOwn: boolean): StateTest | undefined {
  if (matches.some(({ attribute }) => attribute === "type" || attribute === "code")) {
    return isOwn ? { states: opening } : undefined;
  }
  return isOwn
    ? { states: opening, direction: "original" }
    : { states: ["established"], direction: "reply" };
}

function statedIn({ matches }: ExpandedRule["rule"]): StateTest["states"] | "none" | undefined {
  const stated = matches.find(({ attribute }) => attribute === "state")?.value;
  if (stated?.kind !== "literal") return undefined;
  return stated.text === "NONE"
    ? "none"
    : (stated.text.toLowerCase().split(",") as StateTest["states"]);
}

/** It holds as it is written only, since what begins a connection is counted and no answer. */
export function countsConnections({ matches }: ExpandedRule["rule"]): boolean {
  return matches.some(({ attribute }) => attribute === "connlimit-above");
}

/** The rule is told by the state of a connection on some way. */
export function needsState(expanded: ExpandedRule): boolean {
  return (
    isOfPackets(expanded) &&
    (["from", "to"] as const).some((way) => packetRendering(expanded, way)?.test !== undefined)
  );
}
