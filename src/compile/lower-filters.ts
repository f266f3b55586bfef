import type { FilterParameters } from "../model/filter.ts";
import type { FilterBinding } from "../model/filter-binding.ts";
import { variablesOf } from "../model/filter-conditions.ts";
import { type Expansion, expandFilter, type ExpandedRule } from "../model/filter-expansion.ts";
import { faultsOf } from "../model/filter-faults.ts";
import type { Intent } from "../model/intent.ts";
import type { Chain, Element, Rule, SetDefinition, Statement } from "../nft/ast.ts";
import {
  concat,
  equal,
  goto,
  iifname,
  jump,
  notEqual,
  payload,
  reference,
  rule,
  value,
} from "../nft/build.ts";
import { defineSet } from "./define-set.ts";
import { etherType, etherTypeOfChain } from "./filter-fields.ts";
import { elementsOf, groupsIn, needsBinding, type ValueSet, valueSetOf } from "./filter-groups.ts";
import { type Direction, lowerRule, type ShapeContext } from "./filter-rule.ts";
import { filterChain } from "./names.ts";
import { refuse } from "./verdicts.ts";

/**
 * Filters of libvirt's language. Every nic with one is an element that leads to the chains of its filter's shape, and its values are
 * elements; a nic more is no rule more. A shape is a filter, the variables that the binding gives to it, and the few values that
 * nft cannot have as elements.
 */
export function lowerFilters(intent: Intent): { sets: SetDefinition[]; chains: Chain[] } {
  const shapes = new Map<string, LoweredShape>();
  const maps: Record<Direction, Element[]> = { from: [], to: [] };
  const macs: Element[] = [];
  const sets = new Map<string, { set: ValueSet; elements: Element[] }>();
  for (const { tap, mac, filter } of intent.nics) {
    if (tap === undefined || filter === undefined) continue;
    const shape = shapeOf(intent, filter);
    for (const direction of ["from", "to"] as const) {
      const data = goto(shape === undefined ? closed : rootOf(shape, direction));
      maps[direction].push({ key: value(tap), data });
    }
    if (shape === undefined) continue;
    shapes.set(shape.key, shape);
    macs.push({ key: concat(value(tap), value(mac)) });
    for (const set of shape.sets) {
      const known = sets.get(set.name) ?? { set, elements: [] };
      sets.set(set.name, known);
      known.elements.push(...elementsOf(set, tap, filter.parameters));
    }
  }
  const lowered = [...shapes.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1));
  return {
    sets: [
      defineSet("filter_from", { type: ["ifname"], data: ["verdict"] }, maps.from),
      defineSet("filter_to", { type: ["ifname"], data: ["verdict"] }, maps.to),
      defineSet("filter_macs", { type: ["ifname", "ether_addr"] }, macs),
      ...[...sets.values()]
        .map(({ set, elements: values }) => defineSet(set.name, set.form, values))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    ],
    chains: [
      ...lowered.flatMap(({ chains }) => chains),
      { name: closed, rules: [rule(...refuse)] },
    ],
  };
}

/** Where frames of nics go whose binding cannot be enforced. */
const closed = "unfiltered";

interface LoweredShape {
  readonly key: string;
  readonly filter: string;
  readonly tag: string;
  readonly sets: readonly ValueSet[];
  readonly chains: readonly Chain[];
}

/** Undefined where the binding cannot be enforced. */
function shapeOf({ filters }: Intent, binding: FilterBinding): LoweredShape | undefined {
  if (faultsOf(filters, binding).length > 0) return undefined;
  const expansion = expandFilter(filters, binding.filter);
  if (expansion === undefined) return undefined;
  const context = contextOf(expansion, binding.parameters);
  const tag = tagOf(expansion, context);
  const key = `${binding.filter}\n${tag}`;
  const known = shapesOf(expansion);
  const shape =
    known.get(key) ?? makeShape({ filter: binding.filter, key, tag, expansion, context });
  known.set(key, shape);
  return shape;
}

const shapeMemory = new WeakMap<Expansion, Map<string, LoweredShape>>();

function shapesOf(expansion: Expansion): Map<string, LoweredShape> {
  const known = shapeMemory.get(expansion) ?? new Map<string, LoweredShape>();
  shapeMemory.set(expansion, known);
  return known;
}

function contextOf(expansion: Expansion, parameters: FilterParameters): ShapeContext {
  const supplied = (name: string) => parameters.has(name);
  const inlined = new Set(
    expansion.rules
      .flatMap(groupsIn)
      .filter((group) => needsBinding(group, supplied) && valueSetOf(group, supplied) === undefined)
      .flatMap(({ conditions }) => conditions.flatMap(variablesOf).map(({ name }) => name)),
  );
  return {
    supplied,
    inlined: new Map([...parameters].filter(([name]) => inlined.has(name))),
  };
}

/** Empty where every variable is given by the binding, and none of them stands in the rules. */
function tagOf(expansion: Expansion, { supplied, inlined }: ShapeContext): string {
  const used = new Set(
    expansion.rules.flatMap(({ rule: { matches } }) =>
      matches.flatMap(({ value: { kind, ...rest } }) =>
        kind === "variable" && "name" in rest ? [rest.name] : [],
      ),
    ),
  );
  const missing = [...used].filter((name) => !supplied(name)).toSorted();
  const values = [...inlined].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return missing.length === 0 && values.length === 0 ? "" : JSON.stringify([missing, values]);
}

interface ShapeParts {
  readonly key: string;
  readonly filter: string;
  readonly tag: string;
  readonly expansion: Expansion;
  readonly context: ShapeContext;
}

function makeShape(parts: ShapeParts): LoweredShape {
  const { expansion, context, ...names } = parts;
  const sets = new Map<string, ValueSet>();
  for (const group of expansion.rules.flatMap(groupsIn)) {
    const set = needsBinding(group, context.supplied)
      ? valueSetOf(group, context.supplied)
      : undefined;
    if (set !== undefined && !sets.has(set.name)) sets.set(set.name, set);
  }
  const chains = (["from", "to"] as const).flatMap((direction) => chainsOf(parts, direction));
  return { ...names, sets: [...sets.values()], chains };
}

const rootOf = (shape: LoweredShape, direction: Direction) => filterChain(direction, shape);

function chainsOf({ filter, tag, expansion, context }: ShapeParts, direction: Direction): Chain[] {
  const name = (chain?: string) => filterChain(direction, { filter, tag }, chain);
  const byChain = new Map<string, ExpandedRule[]>();
  for (const each of expansion.rules.toSorted((a, b) => a.rule.priority - b.rule.priority)) {
    const list = byChain.get(each.chain) ?? [];
    byChain.set(each.chain, [...list, each]);
  }
  const lowered = (rules: readonly ExpandedRule[]) =>
    rules.flatMap((each) => lowerRule(each, direction, context));
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
    { name: name(), rules: [...macGuard(direction), ...items.flatMap(({ rules }) => rules)] },
    ...inner.map(({ chain, rules }) => ({ name: name(chain), rules })),
  ];
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
