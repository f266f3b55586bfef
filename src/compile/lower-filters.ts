import type { Intent, NicIntent } from "../model/intent.ts";
import type { Chain, Element, Rule, SetDefinition } from "../nft/ast.ts";
import {
  accept,
  concat,
  equal,
  goto,
  iifname,
  masked,
  notEqual,
  oifname,
  payload,
  raw,
  rule,
  value,
  vmap,
} from "../nft/build.ts";
import { defineSet, interfaceSet } from "./define-set.ts";
import { elementsOf, type ValueSet } from "./filter-groups.ts";
import { learningChains, learningSets } from "./filter-learning.ts";
import type { Direction } from "./filter-rule.ts";
import { directions, type FilterShape, shapeOf } from "./filter-shape.ts";
import { answerRules, stampChains, stampEndRules, stampShift, trackingOf } from "./filter-state.ts";
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
  const learning = learningParts(bound);
  const answers = lowered.some(({ rejects }) => rejects)
    ? answerRules(stampShift(intent))
    : undefined;
  return {
    bridge: {
      sets: [
        ...directions.map((direction) => dispatchMap(direction, bound)),
        defineSet(
          "filter_macs",
          { type: ["ifname", "ether_addr"] },
          bound
            .filter(({ shape }) => shape !== undefined)
            .map(({ tap, nic }) => ({ key: concat(value(tap), value(nic.mac)) })),
        ),
        ...packetMaps(bound, lowered),
        ...learning.sets,
        ...valueSets(bound),
      ],
      chains: [
        ...lowered.flatMap(({ chains }) => chains),
        { name: closed, rules: [rule(...refuse)] },
        ...learning.chains,
        ...packetHooks(lowered, answers),
        ...(answers === undefined ? [] : [answerHook(answers.output)]),
        ...(stamped === undefined ? [] : stampEnds(stamped.shift)),
      ],
    },
    inet:
      stamped === undefined
        ? { sets: [], chains: [] }
        : { sets: [stamped.bridges], chains: stampChains(stamped.shift) },
  };
}

/** There are none where every binding says its nic's addresses. */
function learningParts(bound: readonly BoundNic[]): Lowered {
  const learners = bound.filter(({ shape }) => shape?.learns);
  if (learners.length === 0) return { sets: [], chains: [] };
  const macs = learners.map(({ tap, nic }) => ({
    key: concat(value(tap), value(Number(`0x${nic.mac.replaceAll(":", "")}`))),
  }));
  return { sets: learningSets(macs), chains: learningChains() };
}

/** Where frames of nics go whose binding cannot be enforced. */
const closed = "unfiltered";

interface BoundNic {
  readonly nic: NicIntent;
  readonly tap: string;
  /** Absent where the binding cannot be enforced. */
  readonly shape: FilterShape | undefined;
}

function boundNics(intent: Intent): BoundNic[] {
  return intent.nics.flatMap((nic) => {
    const { tap, filter } = nic;
    if (tap === undefined || filter === undefined) return [];
    return [{ nic, tap, shape: shapeOf(intent, filter) }];
  });
}

function dispatchMap(direction: Direction, bound: readonly BoundNic[]): SetDefinition {
  const elements = bound.map(({ tap, shape }) => ({
    key: value(tap),
    data: goto(shape === undefined ? closed : filterChain(direction, shape)),
  }));
  return defineSet(`filter_${direction}`, { type: ["ifname"], data: ["verdict"] }, elements);
}

/** There is none where no filter asks about packets. */
function packetMaps(bound: readonly BoundNic[], shapes: readonly FilterShape[]): SetDefinition[] {
  return packetDirections(shapes).map((direction) => {
    const elements = bound.flatMap(({ tap, shape }) =>
      shape?.packets.includes(direction)
        ? [{ key: value(tap), data: goto(packetChain(direction, shape)) }]
        : [],
    );
    return defineSet(`packets_${direction}`, { type: ["ifname"], data: ["verdict"] }, elements);
  });
}

function packetDirections(shapes: readonly FilterShape[]): Direction[] {
  return directions.filter((direction) =>
    shapes.some(({ packets }) => packets.includes(direction)),
  );
}

function valueSets(bound: readonly BoundNic[]): SetDefinition[] {
  const sets = new Map<string, { readonly set: ValueSet; readonly elements: Element[] }>();
  for (const { nic, tap, shape } of bound) {
    for (const set of shape?.sets ?? []) {
      const known = sets.get(set.name) ?? { set, elements: [] };
      sets.set(set.name, known);
      known.elements.push(...elementsOf(set, tap, nic.filter?.parameters ?? new Map()));
    }
  }
  return [...sets.values()]
    .map(({ set, elements }) => defineSet(set.name, set.form, elements))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Behind br_netfilter (0) and the bridge's own connection tracking (-200), and behind what judges frames. */
const packetPriority = { from: 1, to: 301, end: 302 };

function packetHooks(shapes: readonly FilterShape[], answers: Answers | undefined): Chain[] {
  return packetDirections(shapes).map((direction) => {
    const hook = direction === "from" ? "prerouting" : "postrouting";
    const port = direction === "from" ? iifname : oifname;
    return {
      name: `${hook}_packets`,
      base: { type: "filter", hook, priority: packetPriority[direction], policy: "accept" },
      rules: [
        ...(direction === "to" && answers !== undefined ? [answers.postrouting] : []),
        ...(direction === "to" ? laterFragments : []),
        rule(vmap(port, `packets_${direction}`)),
      ],
    };
  });
}

type Answers = ReturnType<typeof answerRules>;

function answerHook(rules: readonly Rule[]): Chain {
  const priority = packetPriority.from;
  return {
    name: "output_packets",
    base: { type: "filter", hook: "output", priority, policy: "accept" },
    rules,
  };
}

/** What crosses a bridge is whole here; what the host sends is not. Without its first fragment the rest is nothing. */
const laterFragments: readonly Rule[] = [
  rule(
    notEqual(masked(raw("nh", 48, 16), value(0x1fff)), value(0)),
    equal(payload("ether", "type"), value("ip")),
    accept,
  ),
  rule(
    notEqual(masked(raw("nh", 336, 16), value(0xfff8)), value(0)),
    equal(raw("nh", 48, 8), value(44)),
    equal(payload("ether", "type"), value("ip6")),
    accept,
  ),
];

/** Undefined where no filter needs to know connections, or the kernel tracks them on bridges. */
function stampedBridges(intent: Intent, bound: readonly BoundNic[]) {
  const tracking = trackingOf(intent);
  const bridges = bound.flatMap(({ nic, shape }) =>
    shape?.needsState && nic.bridge !== undefined ? [nic.bridge] : [],
  );
  if (bridges.length === 0 || tracking?.kind !== "stamps") return undefined;
  return { shift: tracking.shift, bridges: interfaceSet("stamped_bridges", bridges) };
}

function stampEnds(shift: number): Chain[] {
  const { input, postrouting } = stampEndRules(shift);
  return [
    {
      name: "stamp_input",
      base: { type: "filter", hook: "input", priority: packetPriority.from, policy: "accept" },
      rules: [input],
    },
    {
      name: "stamp_postrouting",
      base: { type: "filter", hook: "postrouting", priority: packetPriority.end, policy: "accept" },
      rules: [postrouting],
    },
  ];
}
