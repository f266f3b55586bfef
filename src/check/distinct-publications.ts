import { append } from "../base/append.ts";
import { quote } from "../base/quote.ts";
import { formatPortRange } from "../base/port.ts";
import { remembered } from "../base/remembered.ts";
import { placeText } from "../model/problem-text.ts";
import { breach } from "./law.ts";
import type { PolicyLaw } from "./law.ts";
import type { Address } from "../base/address.ts";
import type { GuestPolicy, PortMapping } from "../model/policy.ts";
import type { Problem } from "../model/problem.ts";

/** One port mapping of one guest. Absent address: it stands on every address of the uplinks. */
interface Claim {
  readonly guest: string;
  readonly address: Address | undefined;
  readonly mapping: PortMapping;
  /** Made by the guest's own XML. */
  readonly isOwn: boolean;
}

/**
 * A public address, protocol and port leads to one place; a publication without an address has them all. Files are first judged
 * alone: what a guest's XML claims must not hide a mistake in them.
 */
export const distinctPublications: PolicyLaw = (policy) => {
  const claims = [...policy.guests.values()].flatMap(claimsOf);
  const written = claims.filter(({ isOwn }) => !isOwn);
  if (written.length === claims.length) return conflictsAmong(claims).map(toProblem);
  return [
    ...conflictsAmong(written),
    ...conflictsAmong(claims).filter(({ claim, other }) => claim.isOwn || other.isOwn),
  ].map(toProblem);
};

/** Two claims of which there can be one, and the one that is at fault. */
interface Conflict {
  readonly claim: Claim;
  readonly other: Claim;
}

function conflictsAmong(all: readonly Claim[]): Conflict[] {
  const problems: Conflict[] = [];
  for (const claims of group(all, ({ mapping }) => mapping.protocol).values()) {
    const anywhere = inOrder(claims.filter(({ address }) => address === undefined));
    append(problems, overlaps(anywhere));
    const reach = reachOf(anywhere);
    const addressed = claims.filter(({ address }) => address !== undefined);
    for (const same of group(addressed, ({ address }) => address ?? "").values()) {
      const ordered = inOrder(same);
      append(problems, overlaps(ordered));
      if (anywhere.length === 0) continue;
      append(
        problems,
        ordered.flatMap((claim) => {
          const other = lastReaching(anywhere, reach, claim);
          return other === undefined ? [] : blame(claim, other);
        }),
      );
    }
  }
  return problems;
}

/**
 * Between a policy file and a guest's own XML the latter is at fault; between two guests' XML both are, so that neither can take
 * from the other what it has.
 */
function blame(first: Claim, second: Claim): Conflict[] {
  const here = { claim: first, other: second };
  const there = { claim: second, other: first };
  if (first.isOwn !== second.isOwn) return [first.isOwn ? here : there];
  return first.isOwn && first.guest !== second.guest ? [here, there] : [here];
}

/** Claims on one address, in order of their first port: each is compared with the one that reaches furthest before it. */
function overlaps(ordered: readonly Claim[]): Conflict[] {
  const conflicts: Conflict[] = [];
  let furthest: Claim | undefined;
  for (const claim of ordered) {
    const before = furthest;
    const { first, last } = claim.mapping.public;
    if (before === undefined || last > before.mapping.public.last) furthest = claim;
    if (before === undefined || before.mapping.public.last < first) continue;
    const blamed = isLater(claim, before) ? blame(claim, before) : blame(before, claim);
    append(conflicts, blamed);
  }
  return conflicts;
}

/** For each position the claim that reaches furthest up to it. */
function reachOf(ordered: readonly Claim[]): Claim[] {
  const reach: Claim[] = [];
  for (const claim of ordered) {
    const before = reach.at(-1);
    const isFurther =
      before === undefined || claim.mapping.public.last > before.mapping.public.last;
    reach.push(isFurther ? claim : before);
  }
  return reach;
}

/** Of the ordered claims one that overlaps the given one, by bisection. */
function lastReaching(
  ordered: readonly Claim[],
  reach: readonly Claim[],
  claim: Claim,
): Claim | undefined {
  let low = 0;
  let high = ordered.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const first = ordered[middle]?.mapping.public.first ?? Infinity;
    if (first <= claim.mapping.public.last) low = middle + 1;
    else high = middle;
  }
  const candidate = reach[low - 1];
  return candidate !== undefined && candidate.mapping.public.last >= claim.mapping.public.first
    ? candidate
    : undefined;
}

function toProblem({ claim, other }: Conflict): Problem {
  const { protocol, public: ports, at } = claim.mapping;
  const mine = `${protocol}/${formatPortRange(ports)}${addressText(claim)}`;
  const theirs = `${protocol}/${formatPortRange(other.mapping.public)}${addressText(other)}`;
  const owner = other.guest === claim.guest ? "the same guest" : `guest ${quote(other.guest)}`;
  const message = `${mine} is published twice: here and as ${theirs} for ${owner} at ${placeText(other.mapping.at)}`;
  const hint = "give one of them another address or port";
  return breach("error", "PUBLISHED_TWICE", { at, message, hint });
}

function addressText({ address }: Claim): string {
  return address === undefined ? " on every address" : ` on ${address}`;
}

/** Remembered: with every guest that brings its own policy along the whole is judged again. */
const claimsOf = remembered(({ name, publish }: GuestPolicy) =>
  publish.flatMap(({ address, ports, inGuest = false }) =>
    ports.map((mapping): Claim => ({ guest: name, address, mapping, isOwn: inGuest })),
  ),
);

function group(claims: readonly Claim[], keyOf: (claim: Claim) => string): Map<string, Claim[]> {
  const groups = new Map<string, Claim[]>();
  for (const claim of claims) {
    const key = keyOf(claim);
    const members = groups.get(key);
    if (members === undefined) groups.set(key, [claim]);
    else members.push(claim);
  }
  return groups;
}

function inOrder(claims: readonly Claim[]): Claim[] {
  return claims.toSorted((a, b) => a.mapping.public.first - b.mapping.public.first);
}

/** The problem stands at the later of the two, so that it names a place that was there first. */
function isLater(a: Claim, b: Claim): boolean {
  const [x, y] = [a.mapping.at, b.mapping.at];
  if (x.file !== y.file) return true;
  return x.line > y.line || (x.line === y.line && x.column > y.column);
}
