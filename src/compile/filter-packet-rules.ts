import type { ExpandedRule } from "../model/filter-expansion.ts";
import { countsConnections, packetRendering } from "../model/packet-rule.ts";
import type { Rule, Statement } from "../nft/ast.ts";
import { type ConnectionCount, countedMatch } from "./filter-connections.ts";
import { familyOfProtocol } from "./filter-fields.ts";
import { type Direction, matchingRules, type ShapeContext, verdictOf } from "./filter-rule.ts";
import { stateMatches, type Tracking } from "./filter-state.ts";

export interface PacketContext extends ShapeContext {
  /** Undefined for filters that need none. */
  readonly tracking: Tracking | undefined;
  readonly canReject: boolean;
  /** The filter's shape, for what it counts. */
  readonly shape: string;
  /** By name; all that counts connections is put here. */
  readonly counts: Map<string, ConnectionCount>;
}

/** The rule has the bridge answer in the addressee's name. It can to guests alone, in prerouting (Linux 6.1 nft_reject_bridge.c). */
export function answers({ rule }: ExpandedRule, { canReject }: PacketContext): boolean {
  return canReject && rule.action === "reject" && rule.direction !== "in";
}

/** The rules of nft for one of libvirt's about packets in one direction. */
export function packetRules(
  expanded: ExpandedRule,
  direction: Direction,
  context: PacketContext,
): Rule[] {
  const verdict =
    direction === "from" && answers(expanded, context)
      ? rejection(expanded)
      : verdictOf(expanded.rule.action);
  const rendering = packetRendering(expanded, direction);
  if (verdict === undefined || rendering === undefined) return [];
  const { isReversed, test } = rendering;
  if (isReversed && asksOnlyForSource(expanded)) return [];
  const matches = test && context.tracking ? stateMatches(test, context.tracking) : [];
  return matchingRules(
    expanded,
    {
      direction,
      isReversed,
      verdict,
      // libvirt knows the sender's MAC address on the way that the rule is written for only.
      without: isReversed ? ["state", "srcmacaddr"] : ["state"],
      ...(countsConnections(expanded.rule) && {
        count: (limit) => countedMatch(limit, { ...context, expanded, direction, verdict }),
      }),
      also: matches.map((statement) => ({ order: -1, statement })),
    },
    context,
  );
}

/** As iptables does it by itself, which libvirt leaves it to. */
function rejection({ rule: { protocol = "" } }: ExpandedRule): readonly Statement[] {
  const type = familyOfProtocol(protocol) === 4 ? "icmp" : "icmpv6";
  return [{ kind: "counter" }, { kind: "reject", type, code: "port-unreachable" }];
}

function asksOnlyForSource({ rule: { matches } }: ExpandedRule): boolean {
  return matches.length > 0 && matches.every(({ attribute }) => attribute.startsWith("srcmac"));
}
