import { withoutCommonEnds } from "../base/common-ends.ts";
import type { Address } from "../base/address.ts";
import { formatPortRange } from "../base/port.ts";
import { peersText } from "../compile/matches.ts";
import { readPublications, type Destination } from "../compile/read-publications.ts";
import type { Flow } from "../model/flow.ts";
import type { Intent, NicIntent, PublicationIntent } from "../model/intent.ts";
import type { Table } from "../nft/ast.ts";
import type { Flows } from "../ports/flows.ts";
import { Admission } from "./admission.ts";
import type { Desired } from "./decide.ts";
import { PublishedPorts, type Published } from "./published.ts";

type Held = Pick<Desired, "inventory" | "compiled">;

/** What was admitted before. Of a ruleset that an earlier process left only the publications are known. */
export type Former = Held | { readonly publications: readonly Destination[] };

/** What the tables in the kernel say of what they admit. */
export function formerOf(tables: readonly Table[]): Former {
  return { publications: readPublications(tables) };
}

/** Something to look for among the kernel's flows, and how to tell what is to end. */
export interface CutPlan {
  /** Only a flow with one of them at an end can be meant. */
  readonly addresses: readonly Address[];
  /** In whose name the flow was admitted, for people, if it is to end; undefined if it goes on. */
  readonly reason: (flow: Flow) => string | undefined;
}

/** The flows that were admitted before and are not any more. Undefined where there can be none. */
export function planCut(former: Former, desired: Held): CutPlan | undefined {
  const { intent } = desired.compiled;
  const { closed, begun } = comparePublications(former, intent);
  const addresses = new Set([
    ...closed.map(({ guestAddress }) => guestAddress),
    ...("compiled" in former ? changedGuests(former.compiled.intent, intent) : []),
    ...begun.map(({ address }) => address),
  ]);
  if (addresses.size === 0) return undefined;
  // Mostly there is no such flow, and nothing to look up.
  let reason: CutPlan["reason"] | undefined;
  return {
    addresses: [...addresses],
    reason: (flow) => (reason ??= reasons(former, desired, begun))(flow),
  };
}

function reasons(
  former: Former,
  desired: Held,
  begun: readonly PublicationIntent[],
): CutPlan["reason"] {
  const { intent } = desired.compiled;
  const after = { admission: new Admission(desired), intent, guests: guestNames(intent) };
  const reasonBefore =
    "compiled" in former ? reasonOf(former, after) : reasonOfPublications(former, after);
  const stale = new PublishedPorts(begun);
  return (flow) => reasonBefore(flow) ?? staleReason(flow, stale, after.guests);
}

/**
 * Looks once and ends what is to end, in words for people. Only after the kernel has the new ruleset: the next packet of a flow that
 * was cut earlier would be admitted again. Throws what the port throws.
 */
export async function cutFlows(flows: Flows, plan: CutPlan): Promise<readonly string[]> {
  const counts = new Map<string, number>();
  const doomed = (await flows.list(plan.addresses)).filter((flow) => {
    const reason = plan.reason(flow);
    if (reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    return reason !== undefined;
  });
  await flows.cut(doomed);
  return [...counts].map(
    ([reason, count]) => `cut ${count} ${count === 1 ? "flow" : "flows"} of ${reason}`,
  );
}

interface PublicationChanges {
  /** Gone, or leading elsewhere, or letting in others than before. */
  readonly closed: readonly Published[];
  /**
   * Over UDP, and new. Whoever has sent to such a port before is known to the kernel as somebody who talks to the host, for as long
   * as he goes on sending.
   */
  readonly begun: readonly PublicationIntent[];
}

function comparePublications(former: Former, after: Intent): PublicationChanges {
  if (!("compiled" in former))
    return compareByText([former.publications, after.publications], wayOf);
  const changed = withoutSame(former.compiled.intent.publications, after.publications);
  return compareByText(changed, (publication) => {
    const { from } = publication;
    return from.length === 0 ? wayOf(publication) : `${wayOf(publication)} ${peersText(from)}`;
  });
}

/** Most are the same objects, and that is seen at least cost. */
function withoutSame<Item>(
  before: readonly Item[],
  after: readonly Item[],
): readonly [readonly Item[], readonly Item[]] {
  const [left, right] = withoutCommonEnds(before, after);
  const [old, now] = [new Set(left), new Set(right)];
  return [left.filter((item) => !now.has(item)), right.filter((item) => !old.has(item))];
}

function compareByText<P extends Published>(
  [before, after]: readonly [readonly P[], readonly PublicationIntent[]],
  textOf: (publication: P | PublicationIntent) => string,
): PublicationChanges {
  const old = new Map(before.map((publication) => [textOf(publication), publication]));
  const begun: PublicationIntent[] = [];
  for (const publication of after) {
    const isKnown = old.delete(textOf(publication));
    if (!isKnown && publication.protocol === "udp") begun.push(publication);
  }
  return { closed: [...old.values()], begun };
}

function wayOf({ address, protocol, public: ports, guestAddress, guestPorts }: Published): string {
  return `${address} ${protocol} ${ports.first}-${ports.last} ${guestAddress} ${guestPorts.first}`;
}

/** Addresses of guests of which something else may be admitted now. */
function changedGuests(before: Intent, after: Intent): readonly Address[] {
  const all = [...before.nics, ...after.nics];
  const changed = rulesText(before) === rulesText(after) ? changedNics(before, after) : all;
  return changed.flatMap(({ addresses }) => addresses.map(({ address }) => address));
}

/** The rules that concern more than one guest, without the places where they were written. */
export function rulesText({ networks, groups, aliases, hostInput }: Intent): string {
  const rules = [networks, [...groups], [...aliases], hostInput];
  return JSON.stringify(rules, (key, value: unknown) => (key === "at" ? undefined : value));
}

/** A guest that is new has no flows yet, but an address that is learnt late may belong to one that its groups restrict. */
function changedNics(before: Intent, after: Intent): readonly NicIntent[] {
  const [left, right] = withoutSame(before.nics, after.nics);
  const [old, now] = [nicsByText(left), nicsByText(right)];
  const gone = [...old].filter(([text]) => !now.has(text)).map(([, nic]) => nic);
  const come = [...now].filter(([text]) => !old.has(text)).map(([, nic]) => nic);
  const present = new Set(left.map(identityOf));
  const learnt = come.filter((nic) => nic.groups.length > 0 && present.has(identityOf(nic)));
  return [...gone, ...learnt];
}

function nicsByText(nics: readonly NicIntent[]): Map<string, NicIntent> {
  return new Map(
    nics.map((nic) => {
      const addresses = nic.addresses.map(({ address }) => address).join();
      return [`${identityOf(nic)} ${nic.bridge} ${addresses} ${nic.groups.join()}`, nic];
    }),
  );
}

function identityOf({ guest, mac }: NicIntent): string {
  return `${mac} ${guest}`;
}

type GuestNames = ReadonlyMap<Address, string>;

function guestNames({ nics }: Intent): GuestNames {
  return new Map(
    nics.flatMap(({ guest, addresses }) =>
      addresses.map(({ address }) => [address, guest] as const),
    ),
  );
}

interface After {
  readonly admission: Admission;
  readonly intent: Intent;
  readonly guests: GuestNames;
}

function reasonOf(former: Held, { admission: after, intent: desired }: After): CutPlan["reason"] {
  const before = new Admission(former);
  const { intent } = former.compiled;
  const guests = guestNames(intent);
  const gone = new Set(goneAddresses(intent, desired).filter((address) => !after.isGuest(address)));
  return (flow) => {
    const publication = before.publication(flow);
    if (publication !== undefined) {
      return after.admitsPublished(flow) ? undefined : publicationName(publication, guests);
    }
    const isGone = gone.has(flow.source) || gone.has(flow.answerer);
    if (!isGone && (after.admitsPlain(flow) || !before.admitsPlain(flow))) return undefined;
    return guests.get(flow.answerer) ?? guests.get(flow.source) ?? flow.answerer;
  };
}

function reasonOfPublications(
  former: { readonly publications: readonly Destination[] },
  { admission, guests }: After,
): CutPlan["reason"] {
  const before = new PublishedPorts(former.publications);
  return (flow) => {
    const publication = before.leading(flow);
    return publication === undefined || admission.admitsPublished(flow)
      ? undefined
      : publicationName(publication, guests);
  };
}

/**
 * Addresses of guests and nics that run no more on that bridge, where it is us who judge. A bridged guest may have moved to another host. A
 * nic of which no bridge is known waits for its network.
 */
function goneAddresses(before: Intent, after: Intent): readonly Address[] {
  // One guest may have the same MAC address on several bridges.
  const present = new Set(after.nics.map((nic) => `${identityOf(nic)} ${nic.bridge ?? ""}`));
  const isPresent = (nic: NicIntent) =>
    [nic.bridge, ""].some((bridge) => present.has(`${identityOf(nic)} ${bridge ?? ""}`));
  const judged = new Set(
    before.networks
      .filter(({ mode }) => mode !== "open" && mode !== "bridge")
      .map(({ bridge }) => bridge),
  );
  return before.nics
    .filter((nic) => !isPresent(nic) && nic.bridge && judged.has(nic.bridge))
    .flatMap(({ addresses }) => addresses.map(({ address }) => address));
}

/** Nobody has answered it, so nobody misses it: a flow that the host itself answers is left alone. */
function staleReason(
  flow: Flow,
  begun: PublishedPorts<PublicationIntent>,
  guests: GuestNames,
): string | undefined {
  if (flow.isAnswered) return undefined;
  const publication = begun.asked(flow);
  return publication === undefined || begun.leading(flow) !== undefined
    ? undefined
    : publicationName(publication, guests);
}

/** By the guest's address where its name is not known any more. */
function publicationName(publication: Published, guests: GuestNames): string {
  const { protocol, public: ports, guestAddress } = publication;
  return `${guests.get(guestAddress) ?? guestAddress} ${protocol}/${formatPortRange(ports)}`;
}
