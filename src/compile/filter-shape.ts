import { remembered } from "../base/remembered.ts";
import type { FilterParameters } from "../model/filter.ts";
import type { FilterBinding } from "../model/filter-binding.ts";
import { variablesOf } from "../model/filter-conditions.ts";
import {
  type Expansion,
  expandFilter,
  type ExpandedRule,
  type Filters,
} from "../model/filter-expansion.ts";
import { faultsOf } from "../model/filter-faults.ts";
import type { Intent } from "../model/intent.ts";
import { learningMode, type LearningMode, rememberedByNames } from "../model/filter-learning.ts";
import { isOfPackets, needsState } from "../model/packet-rule.ts";
import type { Chain, Rule, SetDefinition, Statement } from "../nft/ast.ts";
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
import { type Group, groupsIn, needsBinding, type ValueSet, valueSetOf } from "./filter-groups.ts";
import { learningRules } from "./filter-learning.ts";
import { packetGuards } from "./filter-packet-guards.ts";
import { answers, type PacketContext, packetRules } from "./filter-packet-rules.ts";
import { type Direction, frameRules, type ShapeContext } from "./filter-rule.ts";
import { trackingOf } from "./filter-state.ts";
import { filterChain, packetChain } from "./names.ts";
import { refuse } from "./verdicts.ts";

/** A filter, the variables that the binding gives to it, and the few values that nft cannot have as elements. */
export interface FilterShape {
  readonly key: string;
  readonly filter: string;
  readonly tag: string;
  readonly sets: readonly ValueSet[];
  readonly chains: readonly Chain[];
  /** In which the kernel counts connections. */
  readonly counts: readonly SetDefinition[];
  /** Directions in which it asks about packets. */
  readonly packets: readonly Direction[];
  readonly needsState: boolean;
  readonly learns: boolean;
  /** It answers packets that it refuses. */
  readonly rejects: boolean;
}

export const directions: readonly Direction[] = ["from", "to"];

/** Undefined where the binding cannot be enforced. */
export function shapeOf(intent: Intent, binding: FilterBinding): FilterShape | undefined {
  const { filters } = intent;
  const circumstance = circumstanceOf(intent);
  const known = shapesOfBindings.get(binding);
  if (known?.filters === filters && known.circumstance === circumstance) return known.shape;
  const shape = findShape(intent, binding);
  shapesOfBindings.set(binding, { filters, circumstance, shape });
  return shape;
}

const circumstanceOf = remembered((intent: Intent) =>
  JSON.stringify([trackingOf(intent), intent.bridgeTracking, intent.canReject]),
);

const shapesOfBindings = new WeakMap<
  FilterBinding,
  {
    readonly filters: Filters;
    readonly circumstance: string;
    readonly shape: FilterShape | undefined;
  }
>();

function findShape(intent: Intent, binding: FilterBinding): FilterShape | undefined {
  const { filters, bridgeTracking, canReject } = intent;
  const tracking = trackingOf(intent);
  if (faultsOf({ filters, bridgeTracking }, binding).length > 0) return undefined;
  const expansion = expandFilter(filters, binding.filter);
  if (expansion === undefined) return undefined;
  const own = contextOf(expansion, binding.parameters);
  const tag = tagOf(expansion, own);
  const shapeName = JSON.stringify([binding.filter, tag]);
  const context = { ...own, tracking, canReject, shape: shapeName, counts: new Map() };
  const key = JSON.stringify([binding.filter, tag, tracking, canReject]);
  const known = shapesOf(expansion);
  const shape =
    known.get(key) ?? makeShape({ filter: binding.filter, key, tag, expansion, context });
  known.set(key, shape);
  return shape;
}

const shapeMemory = new WeakMap<Expansion, Map<string, FilterShape>>();

function shapesOf(expansion: Expansion): Map<string, FilterShape> {
  const known = shapeMemory.get(expansion) ?? new Map<string, FilterShape>();
  shapeMemory.set(expansion, known);
  return known;
}

function contextOf(expansion: Expansion, parameters: FilterParameters): ShapeContext {
  const { inlined } = outlineOf(expansion, parameters);
  return {
    supplied: (name) => parameters.has(name),
    parameters,
    inlined: new Map([...parameters].filter(([name]) => inlined.has(name))),
    sets: new Map(),
  };
}

/** Empty where every variable is given by the binding, and none of them stands in the rules. */
function tagOf(expansion: Expansion, { inlined, parameters }: ShapeContext): string {
  const { missing, learning } = outlineOf(expansion, parameters);
  const values = [...inlined].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const isPlain = missing.length === 0 && values.length === 0;
  return isPlain ? "" : JSON.stringify([missing, values, learning]);
}

/** What a shape depends on beside values. */
interface Outline {
  /** Variables whose values cannot be elements. */
  readonly inlined: ReadonlySet<string>;
  /** Variables that the binding does not give. */
  readonly missing: readonly string[];
  /** Undefined where the binding gives every address that is asked for. */
  readonly learning: Learning | undefined;
}

const outlineOf = rememberedByNames((expansion, parameters): Outline => {
  const supplied = (name: string) => parameters.has(name);
  const groups = expansion.rules.flatMap((each) => groupsIn(each, parameters));
  const inlined = groups.filter(
    (group) => needsBinding(group, supplied) && valueSetOf(group, supplied) === undefined,
  );
  const used = expansion.rules.flatMap(({ rule: { matches } }) =>
    matches.flatMap(({ value: operand }) => (operand.kind === "variable" ? [operand.name] : [])),
  );
  return {
    inlined: new Set(inlined.flatMap(namesIn)),
    missing: [...new Set(used)].filter((name) => !supplied(name)).toSorted(),
    learning: learningIn(groups, parameters),
  };
});

function namesIn({ conditions }: Group): string[] {
  return conditions.flatMap(variablesOf).map(({ name }) => name);
}

interface Learning {
  readonly mode: LearningMode;
  readonly has4: boolean;
  readonly has6: boolean;
  /** The binding lists the servers that may give addresses. */
  readonly hasServers: boolean;
}

function learningIn(groups: readonly Group[], parameters: FilterParameters): Learning | undefined {
  const mode = learningMode(parameters);
  const names = groups.filter(({ isLearned }) => isLearned).flatMap(namesIn);
  if (mode === undefined || names.length === 0) return undefined;
  return {
    mode,
    has4: names.includes("IP"),
    has6: names.includes("IPV6"),
    hasServers: parameters.has("DHCPSERVER"),
  };
}

interface Parts {
  readonly key: string;
  readonly filter: string;
  readonly tag: string;
  readonly expansion: Expansion;
  readonly context: PacketContext;
}

function makeShape(parts: Parts): FilterShape {
  const { key, filter, tag, expansion, context } = parts;
  const frames = directions.flatMap((direction) => frameChains(parts, direction));
  const packets = directions.flatMap((direction) => packetChainOf(parts, direction));
  const counts = [...context.counts.values()];
  return {
    key,
    filter,
    tag,
    chains: [...frames, ...packets.map(({ chain }) => chain), ...counts.map(({ chain }) => chain)],
    counts: counts.map(({ set }) => set),
    packets: packets.map(({ direction }) => direction),
    sets: [...context.sets.values()],
    needsState: expansion.rules.some(needsState),
    learns: outlineOf(expansion, context.parameters).learning !== undefined,
    rejects: expansion.rules.some((each) => answers(each, context)),
  };
}

function frameChains({ filter, tag, expansion, context }: Parts, direction: Direction): Chain[] {
  const name = (chain?: string) => filterChain(direction, { filter, tag }, chain);
  const byChain = new Map<string, ExpandedRule[]>();
  for (const each of byPriority(expansion.rules.filter((one) => !isOfPackets(one)))) {
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
        ...learningAhead(expansion, context, direction),
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
function packetChainOf(
  { filter, tag, expansion, context }: Parts,
  direction: Direction,
): { direction: Direction; chain: Chain }[] {
  const sorted = byPriority(expansion.rules.filter(isOfPackets));
  const isRoot = ({ chain }: ExpandedRule) => chain === "root";
  const rules = [...sorted.filter(isRoot), ...sorted.filter((each) => !isRoot(each))].flatMap(
    (each) => packetRules(each, direction, context),
  );
  if (rules.length === 0) return [];
  const name = packetChain(direction, { filter, tag });
  const guards = packetGuards(expansion.rules, context);
  return [{ direction, chain: { name, rules: [...guards, ...rules] } }];
}

const dhcpServers: Group = {
  conditions: [
    {
      attribute: "srcipaddr",
      isNegated: false,
      value: { kind: "variable", name: "DHCPSERVER" },
      at: { file: "", line: 1, column: 1 },
    },
  ],
  protocol: "ip",
  given: new Map(),
  isLearned: false,
};

function learningAhead(
  expansion: Expansion,
  { parameters, sets, supplied }: ShapeContext,
  direction: Direction,
): Rule[] {
  const { learning } = outlineOf(expansion, parameters);
  if (learning === undefined) return [];
  const servers = learning.hasServers ? valueSetOf(dhcpServers, supplied) : undefined;
  if (servers !== undefined) sets.set(servers.name, servers);
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
