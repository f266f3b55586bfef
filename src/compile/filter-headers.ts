import type { ExpandedRule } from "../model/filter-expansion.ts";
import type { Chain, Rule, Statement } from "../nft/ast.ts";
import { equal, jump, leave, masked, notEqual, payload, raw, rule, value } from "../nft/build.ts";
import { refuse } from "./verdicts.ts";

/** Next header of IPv6 (RFC 8200 section 4.5). */
const fragment = 44;

/** In what is IPv6. */
export const isLaterFragment6: readonly Statement[] = [
  notEqual(masked(raw("nh", 336, 16), value(0xfff8)), value(0)),
  equal(raw("nh", 48, 8), value(fragment)),
];

/**
 * A first fragment of IPv6 may end before the header that a rule asks for, and whoever puts the fragments together sees it none the
 * less (RFC 7113). So where a rule drops by what stands there, frames pass only if it can be read, as RFC 7112 wants them to be sent.
 */
export function headersAhead(rules: readonly ExpandedRule[]): Rule[] {
  if (!readsHeaders6(rules)) return [];
  return [rule(equal(payload("ether", "type"), value("ip6")), jump(headers6Chain))];
}

export function readsHeaders6(rules: readonly ExpandedRule[]): boolean {
  return rules.some(
    ({ rule: { action, protocol, matches } }) =>
      (action === "drop" || action === "reject") &&
      (protocol === "ipv6"
        ? matches.some(({ attribute }) => attribute === "protocol")
        : protocol === "icmpv6" || /^(?!all)\w+-ipv6$/.test(protocol ?? "")),
  );
}

const headers6Chain = "headers6";

export function headers6(): Chain {
  const byte = raw("th", 24, 8);
  return {
    name: headers6Chain,
    rules: [
      // One of the two, if it can be read at all.
      rule(notEqual(byte, value(0)), leave),
      rule(equal(byte, value(0)), leave),
      rule(...isLaterFragment6, leave),
      rule(...refuse),
    ],
  };
}
