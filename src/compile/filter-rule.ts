import type { FilterParameters } from "../model/filter.ts";
import type { ExpandedRule } from "../model/filter-expansion.ts";
import { learningMode } from "../model/filter-learning.ts";
import { areAlternatives } from "../model/filter-lists.ts";
import type { Resolved } from "../model/filter-values.ts";
import type { Expression, Rule, Statement } from "../nft/ast.ts";
import {
  accept,
  concat,
  equal,
  iifname,
  leave,
  notEqual,
  oifname,
  reference,
} from "../nft/build.ts";
import { protocolMatches } from "./protocol-matches.ts";
import { learnedKey, learnedSet, leasedKey } from "./filter-learning.ts";
import {
  constantOf,
  familyOfProtocol,
  type Field,
  fieldOf,
  ipAddress,
  inOrder,
  learnedField,
  matchOf,
  type Placed,
} from "./filter-fields.ts";
import {
  type Group,
  groupsIn,
  needsBinding,
  noteSet,
  tuplesIn,
  type ValueSet,
  valueSetOf,
} from "./filter-groups.ts";
import { oneOf } from "./matches.ts";
import { aliasSet } from "./names.ts";
import { refuse } from "./verdicts.ts";

export type Direction = "from" | "to";

/** What the rules of one shape of a filter depend on. */
export interface ShapeContext {
  /** The variables that the bindings give, with values where these cannot be elements. */
  readonly parameters: FilterParameters;
  /** By name; every set that a rule refers to is put here. */
  readonly sets: Map<string, ValueSet>;
  /** Names of the sets of policy's aliases that rules refer to; all are put here. */
  readonly aliases: Set<string>;
}

/** The rules of nft for one of libvirt's about frames, in a direction in which it holds. */
export function frameRules(
  expanded: ExpandedRule,
  direction: Direction,
  context: ShapeContext,
): Rule[] {
  const verdict = verdictOf(expanded.rule.action);
  if (verdict === undefined) return [];
  // libvirt writes a rule for both directions from the receiver's end (nwfilter_ebiptables_driver.c, ebtablesCreateRuleInstance).
  const isReversed = expanded.rule.direction === "inout" && direction === "from";
  return matchingRules(expanded, { direction, isReversed, verdict }, context);
}

/** How a rule is asked in one place. */
export interface Rendering {
  readonly direction: Direction;
  /** Source and destination change places. */
  readonly isReversed: boolean;
  readonly verdict: readonly Statement[];
  /** Attributes that are not asked. */
  readonly without?: readonly string[];
  readonly also?: readonly Placed[];
  /** Leads to what counts connections and decides, for a rule that has a limit of them. */
  readonly count?: (limit: Resolved) => Placed;
}

/** One rule of nft for each combination of values that has no shorter form. */
export function matchingRules(
  expanded: ExpandedRule,
  rendering: Rendering,
  context: ShapeContext,
): Rule[] {
  const { direction, isReversed, verdict, without = [], also = [], count } = rendering;
  const port = direction === "from" ? iifname : oifname;
  const site: Site = { ...context, expanded, direction, port, isReversed, count };
  const alternatives = groupsIn(expanded, context.parameters, without).map((group) =>
    alternativesOf(group, site),
  );
  const always = [...protocolMatches(expanded), ...also];
  return combinations(alternatives).map((placed) => ({
    statements: [...inOrder([...placed, ...always]), ...(count ? [] : verdict)],
    ...commentOf(expanded),
  }));
}

interface Site extends ShapeContext {
  readonly expanded: ExpandedRule;
  readonly direction: Direction;
  readonly port: Expression;
  readonly isReversed: boolean;
  readonly count: Rendering["count"];
}

/** `out` is from the guest. */
export function holdsIn({ rule }: ExpandedRule, direction: Direction): boolean {
  return rule.direction === "inout" || rule.direction === (direction === "from" ? "out" : "in");
}

/** Undefined where the rule decides nothing. A frame is refused without an answer, whatever the word. */
export function verdictOf(
  action: ExpandedRule["rule"]["action"],
): readonly Statement[] | undefined {
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
  if (group.isLearned) return learnedAlternatives(group, site);
  if (needsBinding(group, site.parameters)) {
    const set = valueSetOf(group, site.parameters);
    if (set !== undefined) {
      noteSet(site.sets, set);
      const fields = fieldsOf(group, site);
      const compare = set.isNegated ? notEqual : equal;
      const key = concat(site.port, ...fields.map(({ left }) => left));
      const order = Math.min(...fields.map((field) => field.order));
      return [[{ order, statement: compare(key, reference(set.name)) }]];
    }
  }
  const tuples = tuplesIn(group, site.parameters);
  const [only] = fieldsOf(group, site);
  const isJoined = tuples.length > 1 && areAlternatives(group.conditions, group.protocol);
  if (only !== undefined && isJoined) return [[joinedMatch(only, tuples.flat(), group)]];
  return tuples.map((tuple) => tuple.flatMap((resolved) => placedMatch(resolved, group, site)));
}

function learnedAlternatives(group: Group, site: Site): Placed[][] {
  return group.conditions.flatMap(({ attribute, isNegated }) => {
    const field = learnedField(group.protocol, attribute, site.isReversed);
    const mode = learningMode(site.parameters) ?? "any";
    const family = field.left.kind === "raw" ? 4 : 6;
    const compare = isNegated ? notEqual : equal;
    const set = reference(learnedSet(family, mode));
    const learned = compare(learnedKey(site.direction, field.left), set);
    const placed = { order: field.order, statement: learned };
    if (family === 6 || mode === "any") return [[placed]];
    const leased = compare(leasedKey(site.direction, field.left), reference("leased4"));
    const other = { order: field.order, statement: leased };
    return isNegated ? [[placed, other]] : [[placed], [other]];
  });
}

function fieldsOf({ conditions, protocol }: Group, { isReversed }: Site): Field[] {
  return conditions.flatMap(({ attribute }) => fieldOf(protocol, attribute, isReversed) ?? []);
}

/** Plain values of one field are one anonymous set. */
function joinedMatch(field: Field, all: readonly Resolved[], { protocol }: Group): Placed {
  const values = oneOf(all.map((resolved) => constantOf(field, resolved, protocol)));
  return { order: field.order, statement: equal(field.left, values) };
}

function placedMatch(resolved: Resolved, { protocol }: Group, site: Site): Placed[] {
  const { isReversed, count } = site;
  if (count && resolved.condition.attribute === "connlimit-above") return [count(resolved)];
  if (resolved.condition.attribute === "ipset") return [aliasMatch(resolved, protocol, site)];
  const field = fieldOf(protocol, resolved.condition.attribute, isReversed);
  const statement = field && matchOf(field, resolved, protocol);
  return field === undefined || statement === undefined ? [] : [{ order: field.order, statement }];
}

/** `ipset` is the policy's alias of that name. */
function aliasMatch({ value: alias, more }: Resolved, protocol: string, site: Site): Placed {
  const { left, order } = ipAddress(protocol, (more === "src") !== site.isReversed ? "src" : "dst");
  const name = aliasSet(alias, familyOfProtocol(protocol));
  site.aliases.add(name);
  return { order, statement: equal(left, reference(name)) };
}

function combinations(alternatives: readonly (readonly (readonly Placed[])[])[]): Placed[][] {
  return alternatives.reduce<Placed[][]>(
    (done, choices) => choices.flatMap((choice) => done.map((placed) => [...placed, ...choice])),
    [[]],
  );
}

/** Names are any text in libvirt, and nft has no escape for what it cannot quote. */
function commentOf({ filter }: ExpandedRule): { comment?: string } {
  return /^[A-Za-z0-9 _.:/@+,=-]{1,128}$/.test(filter) ? { comment: filter } : {};
}
