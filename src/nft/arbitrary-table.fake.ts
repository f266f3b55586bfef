import fc from "fast-check";
import type { BaseChain, Chain, Element, Rule, Table } from "./ast.ts";
import { baseRule, bridgeRule, dnatRule, regularRule, snatRule } from "./arbitrary-rule.fake.ts";
import { arbitrarySet, declarations } from "./arbitrary-set.fake.ts";
import { regularChains } from "./arbitrary-value.fake.ts";
import { referencesOf } from "./references.ts";

/**
 * Tables that nft takes, made of everything that virtwall's rules are made of. Sets of the same name differ from table to table in
 * declaration and elements, so that two of them differ in every way that a diff knows.
 */
export function arbitraryTable(name: fc.Arbitrary<string> = fc.constant("virtwall")) {
  return fc.oneof(
    { arbitrary: inetTable(name), weight: 3 },
    { arbitrary: bridgeTable(name), weight: 1 },
  );
}

interface ChainShape {
  readonly name: string;
  readonly bases: readonly Omit<BaseChain, "policy">[];
  readonly rule: fc.Arbitrary<Rule>;
}

const arbitraryChain = ({ name, bases, rule }: ChainShape): fc.Arbitrary<Chain> =>
  fc
    .record({
      base: bases.length === 0 ? fc.constant(undefined) : fc.constantFrom(...bases),
      policy: fc.constantFrom("accept" as const, "drop" as const),
      rules: fc.array(rule, { maxLength: 5 }),
    })
    .map(({ base, policy, rules }) => ({
      name,
      ...(base === undefined
        ? {}
        : { base: { ...base, policy: base.type === "nat" ? "accept" : policy } }),
      rules,
    }));

const hook = (hook: BaseChain["hook"], ...priorities: readonly number[]) =>
  priorities.map((priority) => ({ type: "filter" as const, hook, priority }));
const nat = (hook: BaseChain["hook"], ...priorities: readonly number[]) =>
  priorities.map((priority) => ({ type: "nat" as const, hook, priority }));

const inetChains: readonly ChainShape[] = [
  ...regularChains.map((name) => ({
    name,
    bases: [],
    rule: regularRule,
  })),
  {
    name: "filter-forward",
    bases: hook("forward", -5, 0, 25),
    rule: baseRule,
  },
  { name: "filter-input", bases: hook("input", -5, 57), rule: baseRule },
  {
    name: "nat-prerouting",
    bases: nat("prerouting", -105, -100),
    rule: dnatRule,
  },
  { name: "nat-output", bases: nat("output", -105), rule: dnatRule },
  {
    name: "nat-postrouting",
    bases: nat("postrouting", 95, 110),
    rule: snatRule,
  },
];

const bridgeChains: readonly ChainShape[] = [
  {
    name: "filter-prerouting",
    bases: hook("prerouting", -300, -290, 0),
    rule: bridgeRule,
  },
  {
    name: "filter-forward",
    bases: hook("forward", -200, -195),
    rule: bridgeRule,
  },
];

function inetTable(name: fc.Arbitrary<string>): fc.Arbitrary<Table> {
  return arbitraryOf("inet", name, { sets: Object.keys(declarations), chains: inetChains });
}

function bridgeTable(name: fc.Arbitrary<string>): fc.Arbitrary<Table> {
  return arbitraryOf("bridge", name, {
    sets: ["bridges", "nat4", "guarded"],
    chains: bridgeChains,
  });
}

function arbitraryOf(
  family: Table["family"],
  name: fc.Arbitrary<string>,
  parts: { sets: readonly string[]; chains: readonly ChainShape[] },
): fc.Arbitrary<Table> {
  return fc
    .record({
      name,
      sets: fc.subarray([...parts.sets]).chain((names) => fc.tuple(...names.map(arbitrarySet))),
      chains: fc
        .subarray([...parts.chains])
        .chain((shapes) => fc.tuple(...shapes.map(arbitraryChain))),
    })
    .map((table) => withoutDangling({ family, ...table }));
}

/** Drops the elements and rules that name a set or chain which is not in the table. */
function withoutDangling(table: Table): Table {
  const sets = new Set(table.sets.map(({ name }) => name));
  const chains = new Set(table.chains.map(({ name }) => name));
  const isWhole = (part: unknown) => {
    const references = referencesOf(part);
    return (
      [...references.sets].every((name) => sets.has(name)) &&
      [...references.chains].every((name) => chains.has(name))
    );
  };
  return {
    ...table,
    sets: table.sets.map((one) => ({ ...one, elements: one.elements.filter(isWhole) })),
    chains: table.chains.map((chain) => ({
      ...chain,
      rules: chain.rules.filter((rule) => rule.statements.length > 0 && isWhole(rule)),
    })),
  };
}

/** The table with some elements gone, some data changed, and the chains that the other has too taken from there. */
export function nearbyTable(table: Table, other: Table): Table {
  if (table.family !== other.family) return other;
  const chains = new Map(other.chains.map((chain) => [chain.name, chain]));
  return withoutDangling({
    ...table,
    sets: table.sets.map((set) => ({ ...set, elements: varied(set.elements) })),
    chains: table.chains.map((chain) => chains.get(chain.name) ?? chain),
  });
}

function varied(elements: readonly Element[]): Element[] {
  return elements.flatMap((element, index) => {
    if (index % 3 === 2) return [];
    const data = index % 3 === 1 ? elements[0]?.data : element.data;
    return [data === undefined ? element : { ...element, data }];
  });
}
