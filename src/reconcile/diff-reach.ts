import type { Family } from "../base/address.ts";
import { groupBy } from "../base/group.ts";
import type { Flow } from "../model/flow.ts";
import { Admission } from "./admission.ts";
import { rulesText } from "./cut-flows.ts";
import { diffFilters, type FilterChange } from "./diff-filters.ts";
import { diffPublished } from "./diff-published.ts";
import { nameParties } from "./name-parties.ts";
import { formatReachChange, type ReachChange, type Scene } from "./reach-change.ts";
import {
  bothSides,
  isSameParty,
  onSides,
  partiesOf,
  type Held,
  type Party,
  type Side,
  type Sides,
} from "./reach-parties.ts";
import { formatStretches, stretchesOf, type Stretch } from "./reach-services.ts";

/** What a change of the policy means for people. */
export interface ReachDiff {
  readonly flows: readonly ReachChange[];
  readonly filters: readonly FilterChange[];
}

/**
 * What new flows one side admits and the other does not, both with the same guests. {@link Admission} is asked, which says of a flow
 * what the compiled rules say of its packets, for one address of everybody and one port of every stretch that either policy tells
 * apart; so it is not how a policy is written that counts. Filters of nics are told by their names alone, and not what they mean.
 */
export function diffReach(before: Held, after: Held): ReachDiff {
  const sides: Sides<Held> = [before, after];
  const parties = partiesOf(sides);
  const stretches = stretchesOf([before.compiled.intent, after.compiled.intent]);
  const admissions = onSides(sides, (side) => new Admission(side));
  const isSameRules = rulesText(before.compiled.intent) === rulesText(after.compiled.intent);
  const scene: Scene = { sides, parties, stretches, admissions, isSameRules };
  return {
    flows: [...diffPublished(scene), ...diffPlain(scene)].toSorted(byText),
    filters: diffFilters(before, after),
  };
}

/** What opens first. */
function byText(a: ReachChange, b: ReachChange): number {
  if (a.change !== b.change) return a.change === "opens" ? -1 : 1;
  return formatReachChange(a) < formatReachChange(b) ? -1 : 1;
}

const verbs = ["opens", "closes"] as const;
type Verb = (typeof verbs)[number];

function diffPlain(scene: Scene): ReachChange[] {
  const found = new Map<string, Found>();
  for (const from of scene.parties) {
    for (const to of scene.parties) {
      if (!mayBegin(from, to)) continue;
      if (scene.isSameRules && isSameParty(from) && isSameParty(to)) continue;
      for (const one of diffPair(scene, from, to)) {
        const key = `${one.change} ${one.family ?? ""} ${one.services}`;
        const same = found.get(key) ?? { ...one, ends: new Map() };
        found.set(key, same);
        same.ends.set(from, [...(same.ends.get(from) ?? []), to]);
      }
    }
  }
  return [...found.values()].flatMap((each) => together(scene.parties, each));
}

function mayBegin(from: Party, to: Party): boolean {
  if (to.entry !== undefined) return false;
  if (from.entry !== undefined) return to.kind === "host";
  return from.kind === "guests" || from.kind !== to.kind;
}

interface PairChange {
  readonly change: Verb;
  readonly services: string;
  readonly family?: Family;
}

interface Found extends PairChange {
  readonly ends: Map<Party, Party[]>;
}

/** Those who come to reach the same parties are named together. */
function together(parties: readonly Party[], found: Found): ReachChange[] {
  const places = new Map(parties.map((party, index) => [party, index]));
  const { groups } = groupBy(found.ends, ([, to]) => to.map((party) => places.get(party)).join());
  const { change, services, family } = found;
  return [...groups.values()].map((same) => ({
    change,
    from: nameParties(parties, new Set(same.map(([from]) => from))),
    to: nameParties(parties, new Set(same.flatMap(([, to]) => to))),
    ...(services !== "" && { services }),
    ...(family !== undefined && { family }),
  }));
}

function diffPair(scene: Scene, from: Party, to: Party): PairChange[] {
  const common = [...from.addresses.keys()].filter((family) => to.addresses.has(family));
  const byFamily = common.map((family) => ({
    family,
    texts: diffFamily(scene, { from, to, family }),
  }));
  return verbs.flatMap((change): PairChange[] => {
    const texts = new Set(byFamily.map(({ texts: each }) => each[change]));
    if (texts.size === 1) {
      const [services] = texts;
      return services === undefined ? [] : [{ change, services }];
    }
    return byFamily.flatMap(({ family, texts: each }) => {
      const services = each[change];
      return services === undefined ? [] : [{ change, services, family }];
    });
  });
}

/** In words; undefined for nothing. */
function diffFamily(
  { stretches, admissions }: Scene,
  ends: { readonly from: Party; readonly to: Party; readonly family: Family },
): Readonly<Partial<Record<Verb, string>>> {
  const chosen = { opens: new Set<number>(), closes: new Set<number>() };
  for (const [index, stretch] of stretches.entries()) {
    const [before, after] = bothSides.map((side) => {
      const flow = flowBetween(ends, stretch, side);
      return flow !== undefined && admissions[side].admitsPlain(flow, ends.from.entry);
    });
    if (before !== after) chosen[after === true ? "opens" : "closes"].add(index);
  }
  return Object.fromEntries(
    verbs
      .filter((change) => chosen[change].size > 0)
      .map((change) => [change, formatStretches(stretches, chosen[change])]),
  );
}

function flowBetween(
  { from, to, family }: { readonly from: Party; readonly to: Party; readonly family: Family },
  { protocol, ports }: Stretch,
  side: Side,
): Flow | undefined {
  const source = from.addresses.get(family)?.[side];
  const answerer = to.addresses.get(family)?.[side];
  if (source === undefined || answerer === undefined) return undefined;
  const port = ports.first;
  return {
    key: "",
    protocol,
    source,
    destination: answerer,
    port,
    answerer,
    answererPort: port,
    isAnswered: false,
  };
}
