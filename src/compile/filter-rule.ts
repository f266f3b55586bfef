import type { FilterParameters } from "../model/filter.ts";
import type { ExpandedRule } from "../model/filter-expansion.ts";
import type { Resolved } from "../model/filter-values.ts";
import type { Expression, Rule, Statement } from "../nft/ast.ts";
import {
  accept,
  concat,
  equal,
  iifname,
  l4proto,
  leave,
  notEqual,
  oifname,
  payload,
  raw,
  reference,
  value,
} from "../nft/build.ts";
import {
  constantOf,
  etherType,
  etherTypeOfChain,
  type Field,
  inOrder,
  matchOf,
  orderOfProtocol,
  orderOfType,
  type Placed,
} from "./filter-fields.ts";
import {
  fieldFor,
  type Group,
  groupsIn,
  needsBinding,
  type Supplied,
  tuplesIn,
  valueSetOf,
} from "./filter-groups.ts";
import { oneOf } from "./matches.ts";
import { refuse } from "./verdicts.ts";

export type Direction = "from" | "to";

/** What the rules of one shape of a filter depend on. */
export interface ShapeContext {
  readonly supplied: Supplied;
  /** Values of the variables that cannot be elements. */
  readonly inlined: FilterParameters;
}

/** The rules of nft for one of libvirt's in one direction; none where it does not hold there. */
export function lowerRule(
  expanded: ExpandedRule,
  direction: Direction,
  context: ShapeContext,
): Rule[] {
  const verdict = verdictOf(expanded.rule.action);
  if (verdict === undefined || !holdsIn(expanded, direction)) return [];
  const site: Site = {
    ...context,
    expanded,
    port: direction === "from" ? iifname : oifname,
    // libvirt writes a rule for both directions from the receiver's end (nwfilter_ebiptables_driver.c, ebtablesCreateRuleInstance).
    isReversed: expanded.rule.direction === "inout" && direction === "from",
  };
  const alternatives = groupsIn(expanded).map((group) => alternativesOf(group, site));
  const always = contextOf(expanded);
  return combinations(alternatives).map((placed) => ({
    statements: [...inOrder([...placed, ...always]), ...verdict],
    ...commentOf(expanded),
  }));
}

interface Site extends ShapeContext {
  readonly expanded: ExpandedRule;
  readonly port: Expression;
  readonly isReversed: boolean;
}

/** `out` is from the guest. */
function holdsIn({ rule }: ExpandedRule, direction: Direction): boolean {
  return rule.direction === "inout" || rule.direction === (direction === "from" ? "out" : "in");
}

/** Undefined where the rule decides nothing. A frame is refused without an answer, whatever the word. */
function verdictOf(action: ExpandedRule["rule"]["action"]): readonly Statement[] | undefined {
  switch (action) {
    case "accept":
      return [accept];
    case "return":
      return [leave];
    case "drop":
    case "reject":
      return refuse;
    case "continue":
      return undefined;
  }
}

/** Any of these matches; none at all where nothing can match. */
function alternativesOf(group: Group, site: Site): readonly (readonly Placed[])[] {
  if (needsBinding(group, site.supplied)) {
    const set = valueSetOf(group, site.supplied);
    if (set !== undefined) {
      const fields = fieldsOf(group, site);
      const compare = set.isNegated ? notEqual : equal;
      const key = concat(site.port, ...fields.map(({ left }) => left));
      const order = Math.min(...fields.map((field) => field.order));
      return [[{ order, statement: compare(key, reference(set.name)) }]];
    }
  }
  const tuples = tuplesIn(group, site.inlined);
  const [only, ...more] = fieldsOf(group, site);
  if (only !== undefined && more.length === 0 && tuples.length > 1) {
    const joined = joinedMatch(only, tuples, group);
    if (joined !== undefined) return [[joined]];
  }
  return tuples.map((tuple) => tuple.flatMap((resolved) => placedMatch(resolved, group, site)));
}

function fieldsOf({ conditions, protocol }: Group, { isReversed }: Site): Field[] {
  return conditions.flatMap((condition) => fieldFor(condition, protocol, isReversed) ?? []);
}

/** Plain values of one field are one anonymous set. */
function joinedMatch(
  field: Field,
  tuples: readonly (readonly Resolved[])[],
  { protocol }: Group,
): Placed | undefined {
  const all = tuples.flat();
  if (
    field.form === "dscp" ||
    all.some(({ condition, more }) => condition.isNegated || more !== undefined)
  ) {
    return undefined;
  }
  const values = oneOf(all.map((resolved) => constantOf(field, resolved, protocol)));
  return { order: field.order, statement: equal(field.left, values) };
}

function placedMatch(resolved: Resolved, { protocol }: Group, { isReversed }: Site): Placed[] {
  const field = fieldFor(resolved.condition, protocol, isReversed);
  const statement = field && matchOf(field, resolved, protocol);
  return field === undefined || statement === undefined ? [] : [{ order: field.order, statement }];
}

function combinations(alternatives: readonly (readonly (readonly Placed[])[])[]): Placed[][] {
  return alternatives.reduce<Placed[][]>(
    (done, choices) => choices.flatMap((choice) => done.map((placed) => [...placed, ...choice])),
    [[]],
  );
}

const etherTypeOf: Readonly<Record<string, number>> = {
  vlan: 0x8100,
  arp: 0x0806,
  rarp: 0x8035,
  ip: 0x0800,
  ipv6: 0x86dd,
};

/** What the protocol itself asks for. */
function contextOf({ rule, chain }: ExpandedRule): Placed[] {
  const protocol = rule.protocol ?? "mac";
  const type = etherTypeOf[protocol];
  const placed: Placed[] = [];
  if (type !== undefined && type !== etherTypeOfChain(chain)) {
    placed.push({
      order: orderOfType,
      statement: equal(payload("ether", "type"), etherType(type)),
    });
  }
  const attributes = rule.matches.map(({ attribute }) => attribute);
  // What a field means depends on the lengths of addresses that the frame itself states.
  if (type === 0x0806 || type === 0x8035) {
    if (attributes.some((attribute) => /^arp(src|dst)/.test(attribute))) {
      placed.push({ order: 0, statement: equal(raw("nh", 0, 48), value(0x000108000604)) });
    }
  }
  if (protocol === "stp") {
    placed.push(
      { order: 0, statement: equal(raw("nh", 0, 40), value(0x4242030000)) },
      {
        order: orderOfType + 1,
        statement: equal(payload("ether", "daddr"), value("01:80:c2:00:00:00")),
      },
    );
  }
  if (protocol === "ipv6" && attributes.some((name) => name === "type" || name === "code")) {
    placed.push({ order: orderOfProtocol, statement: equal(l4proto, value("ipv6-icmp")) });
  }
  return placed;
}

/** Names are any text in libvirt, and nft has no escape for what it cannot quote. */
function commentOf({ filter }: ExpandedRule): { comment?: string } {
  return /^[A-Za-z0-9 _.:/@+,=-]{1,128}$/.test(filter) ? { comment: filter } : {};
}
