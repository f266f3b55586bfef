import type { ExpandedRule } from "../model/filter-expansion.ts";
import { needsState } from "../model/packet-rule.ts";
import type { Rule } from "../nft/ast.ts";
import { equal, payload, rule } from "../nft/build.ts";
import { etherType, etherTypeOfChain, numberOf } from "./filter-fields.ts";
import type { PacketContext } from "./filter-packet-rules.ts";
import { unstampedRule } from "./filter-state.ts";
import { oneOf } from "./matches.ts";
import { refuse } from "./verdicts.ts";

const vlanType = 0x8100;
/** The other one is a service provider's, around a customer's. */
const tagTypes = [vlanType, 0x88a8];

/** What stands ahead of a filter's rules about packets. */
export function packetGuards(
  rules: readonly ExpandedRule[],
  { tracking }: Pick<PacketContext, "tracking">,
): Rule[] {
  const isStamped = tracking?.kind === "stamps" && rules.some(needsState);
  return [...(isStamped ? [unstampedRule(tracking.shift)] : []), ...tagRules(rules)];
}

/**
 * Rules about packets look into no tag: Linux takes one of VLAN 0 off and reads the packet behind it (vlan_do_receive), whatever those
 * rules say. So a tagged frame is refused, unless the filter speaks of such frames itself.
 */
function tagRules(rules: readonly ExpandedRule[]): Rule[] {
  const unnamed = tagTypes.filter((type) => !rules.some((each) => namesType(each, type)));
  if (unnamed.length === 0) return [];
  const types = oneOf(unnamed.map(etherType));
  return [rule(equal(payload("ether", "type"), types), ...refuse)];
}

function namesType({ rule: { protocol, matches }, chain }: ExpandedRule, type: number): boolean {
  if (type === vlanType && (protocol === "vlan" || etherTypeOfChain(chain) === type)) return true;
  return matches.some(
    ({ attribute, value: operand }) =>
      attribute === "protocolid" &&
      operand.kind === "literal" &&
      numberOf("mac", attribute, operand.text) === type,
  );
}
