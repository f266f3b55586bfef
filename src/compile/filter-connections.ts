import type { ExpandedRule } from "../model/filter-expansion.ts";
import type { Resolved } from "../model/filter-values.ts";
import type { Chain, SetDefinition, Statement } from "../nft/ast.ts";
import {
  accept,
  concat,
  ct,
  equal,
  has,
  jump,
  leave,
  meta,
  payload,
  raw,
  rule,
  value,
} from "../nft/build.ts";
import { familyOfProtocol, orderOfCount, type Placed } from "./filter-fields.ts";
import { dynamicSize } from "./filter-learning-sets.ts";
import { connectionCount } from "./names.ts";

/** What counts connections for one rule and one limit: the chain that the rule leads to, and the set in which the kernel counts. */
export interface ConnectionCount {
  readonly chain: Chain;
  readonly set: SetDefinition;
}

interface Place {
  readonly expanded: ExpandedRule;
  readonly direction: "from" | "to";
  readonly verdict: readonly Statement[];
  /** Of the filter's shape. */
  readonly shape: string;
  /** By name. */
  readonly counts: Map<string, ConnectionCount>;
}

/**
 * `connlimit-above`. Connections are counted as they begin, by nic and source address, and those below the limit go on undisturbed.
 * The chain is one of its own because nft renames the fields in a rule that has asked for the type of the frame, and then leaves that out.
 */
export function countedMatch({ condition, value: text }: Resolved, place: Place): Placed {
  const { expanded, direction, verdict, shape, counts } = place;
  const { protocol = "", matches, action } = expanded.rule;
  const asked = matches.map(({ attribute, isNegated, value: operand }) => [
    attribute,
    isNegated,
    operand,
  ]);
  const name = connectionCount(JSON.stringify([shape, direction, protocol, action, asked, text]));
  const port = meta(direction === "from" ? "iif" : "oif");
  const isIp4 = familyOfProtocol(protocol) === 4;
  const key = concat(port, isIp4 ? raw("nh", 96, 32) : payload("ip6", "saddr"));
  const isOver: Statement[] = [
    has(ct("state"), value("new")),
    { kind: "set", op: "add", set: name, key, over: Number(text) },
  ];
  // A return would come back to the filter's other rules; behind those about packets there is nothing more to ask.
  const decide = action === "return" ? [accept] : [...typeAhead(verdict, isIp4), ...verdict];
  counts.set(name, {
    chain: {
      name,
      rules: condition.isNegated
        ? [rule(...isOver, leave), rule(...decide)]
        : [rule(...isOver, ...decide)],
    },
    set: {
      name,
      type: ["iface_index", isIp4 ? "integer" : "ipv6_addr"],
      ...(isIp4 && { keyLike: key }),
      size: dynamicSize,
      flags: ["dynamic"],
      counter: false,
      elements: [],
    },
  });
  return { order: orderOfCount, statement: jump(name) };
}

/** nft asks for the type of the frame by itself before an answer of ICMP, and lists that it has. */
function typeAhead(verdict: readonly Statement[], isIp4: boolean): Statement[] {
  if (!verdict.some(({ kind }) => kind === "reject")) return [];
  return [equal(payload("ether", "type"), value(isIp4 ? "ip" : "ip6"))];
}
