import { remembered, rememberedByText, rememberedWhile } from "../base/remembered.ts";
import type { FilterParameters } from "../model/filter.ts";
import type { FilterBinding } from "../model/filter-binding.ts";
import { variablesOf } from "../model/filter-conditions.ts";
import { type Expansion, expandFilter } from "../model/filter-expansion.ts";
import { faultsOf } from "../model/filter-faults.ts";
import type { Intent } from "../model/intent.ts";
import { learningMode, rememberedByNames } from "../model/filter-learning.ts";
import { needsState } from "../model/packet-rule.ts";
import type { Chain, SetDefinition } from "../nft/ast.ts";
import { dhcpServer, frameChains, type Learning, packetChains } from "./filter-chains.ts";
import type { ConnectionCount } from "./filter-connections.ts";
import { type Group, groupsIn, needsBinding, type ValueSet, valueSetOf } from "./filter-groups.ts";
import { readsHeaders6 } from "./filter-headers.ts";
import { answers } from "./filter-packet-rules.ts";
import type { Direction } from "./filter-rule.ts";
import { type Tracking, trackingOf } from "./filter-state.ts";

/** A filter, the variables that the binding gives to it, and the few values that nft cannot have as elements. */
export interface FilterShape {
  readonly key: string;
  readonly filter: string;
  readonly tag: string;
  readonly sets: readonly ValueSet[];
  readonly chains: readonly Chain[];
  /** Names of sets. */
  readonly aliases: readonly string[];
  /** In which the kernel counts connections. */
  readonly counts: readonly SetDefinition[];
  /** Directions in which it asks about packets. */
  readonly packets: readonly Direction[];
  readonly needsState: boolean;
  /** Absent where the binding gives every address that is asked for. */
  readonly learning: Learning | undefined;
  /** It answers packets that it refuses. */
  readonly rejects: boolean;
  /** It drops by what stands behind the header of IPv6. */
  readonly readsHeaders6: boolean;
}

export const directions: readonly Direction[] = ["from", "to"];

/** Undefined where the binding cannot be enforced. */
export function shapeOf(intent: Intent, binding: FilterBinding): FilterShape | undefined {
  return shapeIn(binding, intent);
}

const shapeIn = rememberedWhile(
  (_binding: FilterBinding, intent: Intent) => [
    intent.filters,
    intent.aliases,
    circumstanceOf(intent),
  ],
  (binding, intent): FilterShape | undefined => {
    if (faultsOf(intent, binding).length > 0) return undefined;
    const expansion = expandFilter(intent.filters, binding.filter);
    return expansion && shapesOf(expansion)(essenceOf(expansion, binding, intent));
  },
);

const circumstanceOf = remembered((intent: Intent) =>
  JSON.stringify([trackingOf(intent), intent.bridgeTracking, intent.canReject]),
);

/** All that a shape is made of, beside its filter's rules. */
interface Essence {
  readonly filter: string;
  /** Of the binding's, those that the rules name or learning asks for; with their values where these cannot be elements. */
  readonly parameters: FilterParameters;
  /** Every variable of the rules is among them, without values. */
  readonly isPlain: boolean;
  readonly tracking: Tracking | undefined;
  readonly canReject: boolean;
}

const textOf = ({ parameters, ...others }: Essence) => JSON.stringify([others, [...parameters]]);

const shapesOf = remembered((expansion: Expansion) =>
  rememberedByText(textOf, (essence) => makeShape(expansion, essence)),
);

function essenceOf(
  expansion: Expansion,
  { filter, parameters }: FilterBinding,
  intent: Intent,
): Essence {
  const { named, inlined, learning } = outlineOf(expansion, parameters);
  const asked = learning?.hasServers ? [...named, dhcpServer] : named;
  const given = asked.filter((name) => parameters.has(name));
  const values = given.map(
    (name) => [name, (inlined.has(name) && parameters.get(name)) || []] as const,
  );
  return {
    filter,
    parameters: new Map([
      ...values,
      ...(learning ? [["CTRL_IP_LEARNING", [learning.mode]] as const] : []),
    ]),
    isPlain: given.length === asked.length && inlined.size === 0,
    tracking: trackingOf(intent),
    canReject: intent.canReject,
  };
}

/** What the rules of a filter ask of a binding's parameters. */
interface Outline {
  /** In order. */
  readonly named: readonly string[];
  /** Those that the binding gives and whose values cannot be elements. */
  readonly inlined: ReadonlySet<string>;
  /** Undefined where the binding gives every address that is asked for. */
  readonly learning: Learning | undefined;
}

const outlineOf = rememberedByNames((expansion, parameters): Outline => {
  const groups = expansion.rules.flatMap((each) => groupsIn(each, parameters));
  const inlined = groups.filter(
    (group) => needsBinding(group, parameters) && valueSetOf(group, parameters) === undefined,
  );
  const used = expansion.rules.flatMap(({ rule: { matches } }) =>
    matches.flatMap(({ value: operand }) => (operand.kind === "variable" ? [operand.name] : [])),
  );
  return {
    named: [...new Set(used)].toSorted(),
    inlined: new Set(inlined.flatMap(namesIn).filter((name) => parameters.has(name))),
    learning: learningIn(groups, parameters),
  };
});

function namesIn({ conditions }: Group): string[] {
  return conditions.flatMap(variablesOf).map(({ name }) => name);
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

function makeShape(expansion: Expansion, essence: Essence): FilterShape {
  const { filter, parameters, isPlain, tracking, canReject } = essence;
  const { rules } = expansion;
  const { learning } = outlineOf(expansion, parameters);
  const key = textOf(essence);
  const name = { filter, tag: isPlain ? "" : JSON.stringify([...parameters]) };
  const context = {
    parameters,
    sets: new Map<string, ValueSet>(),
    aliases: new Set<string>(),
    counts: new Map<string, ConnectionCount>(),
    tracking,
    canReject,
    shape: JSON.stringify(name),
  };
  const parts = { name, rules, context, learning };
  const frames = directions.flatMap((direction) => frameChains(parts, direction));
  const packets = directions.flatMap((direction) => packetChains(parts, direction));
  const counts = [...context.counts.values()];
  return {
    key,
    ...name,
    chains: [...frames, ...packets.map(({ chain }) => chain), ...counts.map(({ chain }) => chain)],
    counts: counts.map(({ set }) => set),
    packets: packets.map(({ direction }) => direction),
    sets: [...context.sets.values()],
    aliases: [...context.aliases],
    needsState: rules.some(needsState),
    learning,
    rejects: rules.some((each) => answers(each, context)),
    readsHeaders6: readsHeaders6(rules),
  };
}
