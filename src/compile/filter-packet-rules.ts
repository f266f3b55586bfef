import type { ExpandedRule } from "../model/filter-expansion.ts";
import { packetRendering } from "../model/packet-rule.ts";
import type { Rule } from "../nft/ast.ts";
import { type Direction, matchingRules, type ShapeContext, verdictOf } from "./filter-rule.ts";
import { stateMatches, type Tracking } from "./filter-state.ts";

/** The rules of nft for one of libvirt's about packets in one direction; no tracking is for filters that need none. */
export function packetRules(
  expanded: ExpandedRule,
  direction: Direction,
  context: ShapeContext & { readonly tracking: Tracking | undefined },
): Rule[] {
  const verdict = verdictOf(expanded.rule.action);
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
      also: matches.map((statement) => ({ order: -1, statement })),
    },
    context,
  );
}

function asksOnlyForSource({ rule: { matches } }: ExpandedRule): boolean {
  return matches.length > 0 && matches.every(({ attribute }) => attribute.startsWith("srcmac"));
}
