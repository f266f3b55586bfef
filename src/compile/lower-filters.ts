import type { InterfaceName } from "../base/interface-name.ts";
import { rememberedWhile } from "../base/remembered.ts";
import type { FilterBinding } from "../model/filter-binding.ts";
import type { Intent, NicIntent } from "../model/intent.ts";
import type { Chain, Element, SetDefinition } from "../nft/ast.ts";
import { concat, goto, rule, value } from "../nft/build.ts";
import { defineGatheredSet, interfaceSet } from "./define-set.ts";
import { elementsOf, noteSet, type ValueSet } from "./filter-groups.ts";
import type { Direction } from "./filter-rule.ts";
import { type LearningNic, lowerLearning, vouchedOf } from "./lower-learning.ts";
import { directions, type FilterShape, shapeOf } from "./filter-shape.ts";
import { headers6 } from "./filter-headers.ts";
import { stampChains, stampShift, trackingOf } from "./filter-state.ts";
import { gathered } from "./gathered.ts";
import { packetDirections, packetHooks, stampEnds } from "./lower-packets.ts";
import { aliasSets } from "./lower-sets.ts";
import { keyed, type KeyedElement } from "./matches.ts";
import { filterChain, packetChain } from "./names.ts";
import { refuse } from "./verdicts.ts";

/** Parts of a table. */
export interface Lowered {
  readonly sets: readonly SetDefinition[];
  readonly chains: readonly Chain[];
}

/**
 * Filters of libvirt's language. Every nic with one is an element that leads to the chains of its filter's shape, and its values are
 * elements; a nic more is no rule more. Frames are judged first, and packets that they let pass behind.
 */
export function lowerFilters(intent: Intent): { readonly bridge: Lowered; readonly inet: Lowered } {
  const bound = boundNics(intent);
  const shapes = new Map<string, FilterShape>();
  for (const { shape } of bound) if (shape !== undefined) shapes.set(shape.key, shape);
  const lowered = [...shapes.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const stamped = stampedBridges(intent, bound);
  const learning = lowerLearning(intent, bound);
  const sets = [
    ...directions.map((direction) => dispatchMap(direction, bound)),
    macSet(bound),
    ...packetMaps(bound, lowered),
    ...learning.sets,
    ...valueSets(bound, lowered),
    ...aliasSets(intent, new Set(lowered.flatMap(({ aliases }) => aliases))),
    ...lowered.flatMap(({ counts }) => counts),
  ];
  forgetOthers(sets);
  return {
    bridge: {
      sets,
      chains: [
        ...lowered.flatMap(({ chains }) => chains),
        { name: closed, rules: [rule(...refuse)] },
        ...learning.chains,
        ...packetHooks(lowered, stampShift(intent)),
        ...(lowered.some(({ readsHeaders6 }) => readsHeaders6) ? [headers6()] : []),
        ...(stamped === undefined ? [] : stampEnds(stamped.shift)),
      ],
    },
    inet:
      stamped === undefined
        ? { sets: [], chains: [] }
        : { sets: [stamped.bridges], chains: stampChains(stamped.shift) },
  };
}

/** Where frames of nics go whose binding cannot be enforced. */
const closed = "unfiltered";

/** The same object as long as nothing of it changes. */
interface BoundNic extends LearningNic {
  readonly bridge: InterfaceName | undefined;
  readonly shape: FilterShape | undefined;
}

function boundNics(intent: Intent): BoundNic[] {
  return intent.nics.flatMap((nic) => {
    if (nic.filter === undefined) return [];
    return boundNic(nic.filter, { nic, shape: shapeOf(intent, nic.filter) }) ?? [];
  });
}

interface Bound {
  readonly nic: NicIntent;
  readonly shape: FilterShape | undefined;
}

const boundNic = rememberedWhile(
  (_binding: FilterBinding, { nic: { tap, bridge, leased, addresses }, shape }: Bound) => [
    tap,
    bridge,
    leased?.join(),
    vouchedOf(addresses).join(),
    shape,
  ],
  (
    { parameters },
    { nic: { tap, mac, bridge, leased = [], addresses }, shape },
  ): BoundNic | undefined => {
    const vouched = vouchedOf(addresses);
    return tap && { tap, mac, bridge, parameters, leased, vouched, shape };
  },
);

type ElementsOf = (nic: BoundNic) => readonly KeyedElement[];
type Gather = (nics: readonly BoundNic[]) => readonly Element[];

/** By the name of the set that they are for; of the sets that there were last. */
const gathers = new Map<string, Gather>();

function forgetOthers(sets: readonly SetDefinition[]): void {
  const names = new Set(sets.map(({ name }) => name));
  for (const name of gathers.keys()) if (!names.has(name)) gathers.delete(name);
}

/** The elements of all nics; of nics that did not change they are those of the last time. */
function gather(name: string, nics: readonly BoundNic[], elementsOfNic: ElementsOf) {
  const make = gathers.get(name) ?? gathered(elementsOfNic);
  gathers.set(name, make);
  return make(nics);
}

function dispatchMap(direction: Direction, bound: readonly BoundNic[]): SetDefinition {
  const name = `filter_${direction}`;
  const elements = gather(name, bound, ({ tap, shape }) => {
    const chain = shape === undefined ? closed : filterChain(direction, shape);
    return [keyed({ key: value(tap), data: goto(chain) })];
  });
  return defineGatheredSet(name, { type: ["ifname"], data: ["verdict"] }, elements);
}

function macSet(bound: readonly BoundNic[]): SetDefinition {
  const elements = gather("filter_macs", bound, ({ tap, mac, shape }) =>
    shape === undefined ? [] : [keyed({ key: concat(value(tap), value(mac)) })],
  );
  return defineGatheredSet("filter_macs", { type: ["ifname", "ether_addr"] }, elements);
}

/** There is none where no filter asks about packets. */
function packetMaps(bound: readonly BoundNic[], shapes: readonly FilterShape[]): SetDefinition[] {
  return packetDirections(shapes).map((direction) => {
    const name = `packets_${direction}`;
    const elements = gather(name, bound, ({ tap, shape }) =>
      shape?.packets.includes(direction)
        ? [keyed({ key: value(tap), data: goto(packetChain(direction, shape)) })]
        : [],
    );
    return defineGatheredSet(name, { type: ["ifname"], data: ["verdict"] }, elements);
  });
}

function valueSets(bound: readonly BoundNic[], shapes: readonly FilterShape[]): SetDefinition[] {
  const all = new Map<string, ValueSet>();
  for (const set of shapes.flatMap(({ sets }) => sets)) noteSet(all, set);
  return [...all.values()]
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, form }) => {
      const elements = gather(name, bound, ({ tap, parameters, shape }) =>
        (shape?.sets ?? [])
          .filter((set) => set.name === name)
          .flatMap((set) => elementsOf(set, tap, parameters).map(keyed)),
      );
      return defineGatheredSet(name, form, elements);
    });
}

/** Undefined where no filter needs to know connections, or the kernel tracks them on bridges. */
function stampedBridges(intent: Intent, bound: readonly BoundNic[]) {
  const tracking = trackingOf(intent);
  const bridges = bound.flatMap(({ bridge, shape }) =>
    shape?.needsState && bridge !== undefined ? [bridge] : [],
  );
  if (bridges.length === 0 || tracking?.kind !== "stamps") return undefined;
  return { shift: tracking.shift, bridges: interfaceSet("stamped_bridges", bridges) };
}
