import type { ExpandedRule } from "../model/filter-expansion.ts";
import type { LearningMode } from "../model/filter-learning.ts";
import { isOfPackets } from "../model/packet-rule.ts";
import type { Chain, Rule, Statement } from "../nft/ast.ts";
import {
  concat,
  equal,
  iifname,
  jump,
  notEqual,
  payload,
  reference,
  rule,
  value,
} from "../nft/build.ts";
import { etherType, etherTypeOfChain } from "./filter-fields.ts";
import { type Group, noteSet, valueSetOf } from "./filter-groups.ts";
import { headersAhead } from "./filter-headers.ts";
import { learningRules } from "./filter-learning.ts";
import { packetGuards } from "./filter-packet-guards.ts";
import { type PacketContext, packetRules } from "./filter-packet-rules.ts";
import { type Direction, frameRules, holdsIn } from "./filter-rule.ts";
import { filterChain, packetChain, type ShapeName } from "./names.ts";
import { refuse } from "./verdicts.ts";

/** What the chains of one shape of a filter are made of. */
interface Parts {
  readonly name: ShapeName;
  /** In the order in which libvirt comes upon them. */
  readonly rules: readonly ExpandedRule[];
  readonly context: PacketContext;
  /** Undefined where the bindings give every address that is asked for. */
  readonly learning: Learning | undefined;
}

export interface Learning {
  readonly mode: LearningMode;
  readonly has4: boolean;
  readonly has6: boolean;
  /** The bindings list the servers that may give addresses. */
  readonly hasServers: boolean;
}

/** The root chain of what rules say of frames, and libvirt's chains that it leads to. */
export function frameChains(parts: Parts, direction: Direction): Chain[] {
  const { rules: all, context } = parts;
  const name = (chain?: string) => filterChain(direction, parts.name, chain);
  const byChain = new Map<string, ExpandedRule[]>();
  const frames = all.filter((each) => !isOfPackets(each) && holdsIn(each, direction));
  for (const each of byPriority(frames)) {
    byChain.set(each.chain, [...(byChain.get(each.chain) ?? []), each]);
  }
  const lowered = (rules: readonly ExpandedRule[]) =>
    rules.flatMap((each) => frameRules(each, direction, context));
  const inner = [...byChain]
    .filter(([chain]) => chain !== "root")
    .map(([chain, rules]) => ({
      chain,
      rules: lowered(rules),
      priority: rules.at(-1)?.chainPriority ?? 0,
    }))
    .filter(({ rules }) => rules.length > 0)
    .toSorted((a, b) => a.priority - b.priority || (a.chain < b.chain ? -1 : 1));
  // libvirt puts the way into a chain ahead of the root's own rules of the same priority.
  const items = [
    ...inner.map(({ chain, priority }) => ({
      priority,
      rules: [rule(...entryOf(chain), jump(name(chain)))],
    })),
    ...(byChain.get("root") ?? []).map((each) => ({
      priority: each.rule.priority,
      rules: lowered([each]),
    })),
  ].toSorted((a, b) => a.priority - b.priority);
  return [
    {
      name: name(),
      rules: [
        ...macGuard(direction),
        ...headersAhead(all.filter((each) => holdsIn(each, direction))),
        ...learningAhead(parts, direction),
        ...items.flatMap(({ rules }) => rules),
      ],
    },
    ...inner.map(({ chain, rules }) => ({ name: name(chain), rules })),
  ];
}

function byPriority(rules: readonly ExpandedRule[]): ExpandedRule[] {
  return rules.toSorted((a, b) => a.rule.priority - b.rule.priority);
}

/** Rules about packets have no chains of their own in libvirt; those of its root chain come first. */
export function packetChains(
  { name: shape, rules: all, context }: Parts,
  direction: Direction,
): { direction: Direction; chain: Chain }[] {
  const sorted = byPriority(all.filter(isOfPackets));
  const isRoot = ({ chain }: ExpandedRule) => chain === "root";
  const rules = [...sorted.filter(isRoot), ...sorted.filter((each) => !isRoot(each))].flatMap(
    (each) => packetRules(each, direction, context),
  );
  if (rules.length === 0) return [];
  const name = packetChain(direction, shape);
  const guards = packetGuards(all, context);
  return [{ direction, chain: { name, rules: [...guards, ...rules] } }];
}

/** The variable of a binding that lists who may give addresses. */
export const dhcpServer = "DHCPSERVER";

const dhcpServers: Group = {
  conditions: [
    {
      attribute: "srcipaddr",
      isNegated: false,
      value: { kind: "variable", name: dhcpServer },
      at: { file: "", line: 1, column: 1 },
    },
  ],
  protocol: "ip",
  given: new Map(),
  isLearned: false,
};

function learningAhead({ learning, context }: Parts, direction: Direction): Rule[] {
  if (learning === undefined) return [];
  const servers = learning.hasServers ? valueSetOf(dhcpServers, context.parameters) : undefined;
  if (servers !== undefined) noteSet(context.sets, servers);
  return learningRules(direction, learning.mode, {
    ...learning,
    ...(servers && { servers: servers.name }),
  });
}

/** Whatever the filter says, a guest sends from its own MAC address. */
function macGuard(direction: Direction): Rule[] {
  if (direction === "to") return [];
  const source = concat(iifname, payload("ether", "saddr"));
  return [rule(notEqual(source, reference("filter_macs")), ...refuse)];
}

/** Which frames go through a chain of libvirt's, by its prefix. */
function entryOf(chain: string): Statement[] {
  if (chain.startsWith("stp")) {
    return [equal(payload("ether", "daddr"), value("01:80:c2:00:00:00"))];
  }
  const type = etherTypeOfChain(chain);
  return type === undefined ? [] : [equal(payload("ether", "type"), etherType(type))];
}
