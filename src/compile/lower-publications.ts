import { familyOf, type Address, type Family } from "../base/address.ts";
import type { PortRange } from "../base/port.ts";
import { remembered } from "../base/remembered.ts";
import type { Intent, PublicationIntent } from "../model/intent.ts";
import type {
  Chain,
  Element,
  Expression,
  Rule,
  SetDefinition,
  Statement,
  Verdict,
} from "../nft/ast.ts";
import {
  anonymousSet,
  concat,
  ct,
  equal,
  goto,
  has,
  l4proto,
  payload,
  reference,
  rule,
  value,
  vmap,
} from "../nft/build.ts";
import { addressType, defineGatheredSet } from "./define-set.ts";
import { gathered, gatheredByKind } from "./gathered.ts";
import {
  families,
  ip,
  keyed,
  peerMatches,
  peersText,
  portExpression,
  type KeyedElement,
} from "./matches.ts";
import { admitMap, admitRangesMap, fromChain, publishMap, publishRangesMap } from "./names.ts";
import { refuse } from "./verdicts.ts";

/**
 * A publication is one element of a `publish` map, which rewrites the destination, and one of an `admit` map, which says at the
 * filter hooks who may use it. `admit` asks for the connection's first destination, so that no other way to the guest's own
 * address is opened with it. Ranges that keep their ports share interval maps; ranges that shift are listed port by port.
 */
export function lowerPublications(intent: Intent): { sets: SetDefinition[]; chains: Chain[] } {
  const { publications } = intent;
  const sets = families.flatMap((family) => {
    const gather = gatherers[family];
    const address = addressType(family);
    const type = [address, "inet_proto", "inet_service"];
    const interval = { type, flags: ["interval"] } as const;
    const verdict = { data: ["verdict"], counter: true };
    return [
      defineGatheredSet(
        publishMap(family),
        { type, data: [address, "inet_service"] },
        gather.publications(publications, "publish"),
      ),
      defineGatheredSet(
        publishRangesMap(family),
        { ...interval, data: [address] },
        gather.publications(publications, "publishRanges"),
      ),
      defineGatheredSet(
        admitMap(family),
        { type, ...verdict },
        gather.publications(publications, "admit"),
      ),
      defineGatheredSet(
        admitRangesMap(family),
        { ...interval, ...verdict },
        gather.publications(publications, "admitRanges"),
      ),
      publishedGuests(intent, family),
      defineGatheredSet(
        `published_self${family}`,
        { type: [address, address] },
        gather.self(guestAddresses(publications)),
      ),
    ];
  });
  return { sets, chains: fromChains(intent) };
}

interface PublicationElements {
  readonly publish: readonly KeyedElement[];
  readonly publishRanges: readonly KeyedElement[];
  readonly admit: readonly KeyedElement[];
  readonly admitRanges: readonly KeyedElement[];
}

/** Remembered: of ten thousand publications few change at a time. */
const elementsOf = remembered((publication: PublicationIntent): PublicationElements => {
  const data = admission(publication);
  if (keepsRange(publication)) {
    const { publish, admit } = bothElements(publication, value(publication.guestAddress), data);
    return { publish: [], publishRanges: [publish], admit: [], admitRanges: [admit] };
  }
  const singles = singlePorts(publication).map((single) =>
    bothElements(single, guestPort(single), data),
  );
  return {
    publish: singles.map(({ publish }) => publish),
    publishRanges: [],
    admit: singles.map(({ admit }) => admit),
    admitRanges: [],
  };
});

/** Those of the two maps share their key: there are ten thousand of them. */
function bothElements(
  publication: PublicationIntent,
  target: Expression,
  verdict: Verdict,
): { readonly publish: KeyedElement; readonly admit: KeyedElement } {
  const publish = keyed({ key: publicKey(publication), data: target });
  const { text, element } = publish;
  return { publish, admit: { text, element: { key: element.key, data: verdict } } };
}

/** For each family, since publications of both stand in one list. */
const gatherers = { 4: gatherersOf(4), 6: gatherersOf(6) };

function gatherersOf(family: Family) {
  const isMine = (address: Address) => familyOf(address) === family;
  const gatherPublications = gatheredByKind(
    ["publish", "publishRanges", "admit", "admitRanges"] as const,
    (publication: PublicationIntent, kind) =>
      isMine(publication.address) ? elementsOf(publication)[kind] : [],
  );
  const gatherGuests = (elementOf: (guest: Expression) => Element) =>
    gathered((guest: Address) => (isMine(guest) ? [keyed(elementOf(value(guest)))] : []));
  return {
    publications: gatherPublications,
    guests: gatherGuests((guest) => ({ key: guest })),
    self: gatherGuests((guest) => ({ key: concat(guest, guest) })),
  };
}

/** Addresses of the guests that publications lead to. */
export function publishedGuests({ publications }: Intent, family: Family): SetDefinition {
  const elements = gatherers[family].guests(guestAddresses(publications));
  return defineGatheredSet(`published_guests${family}`, { type: [addressType(family)] }, elements);
}

/** Where publications lead. */
export const publishedAddresses = remembered(
  (publications: readonly PublicationIntent[]): ReadonlySet<Address> =>
    new Set(publications.map(({ guestAddress }) => guestAddress)),
);

const guestAddresses = remembered((publications: readonly PublicationIntent[]) => [
  ...publishedAddresses(publications),
]);

/** An interval map holds the range as one element: its value can be an address, but no moving port. */
function keepsRange({ public: published, guestPorts }: PublicationIntent): boolean {
  return published.first !== published.last && published.first === guestPorts.first;
}

function singlePorts(publication: PublicationIntent): PublicationIntent[] {
  if (keepsRange(publication)) return [];
  const { public: published, guestPorts } = publication;
  if (published.first === published.last) return [publication];
  return Array.from({ length: published.last - published.first + 1 }, (_, i) => ({
    ...publication,
    public: { first: published.first + i, last: published.first + i },
    guestPorts: { first: guestPorts.first + i, last: guestPorts.first + i },
  }));
}

function publicKey({ address, protocol, public: published }: PublicationIntent) {
  return concat(value(address), value(protocol), portExpression(published));
}

function guestPort({ guestAddress, guestPorts }: PublicationIntent): Expression {
  return concat(value(guestAddress), portExpression(guestPorts));
}

function admission({ from }: PublicationIntent): Verdict {
  return goto(from.length === 0 ? "published" : fromChain(peersText(from)));
}

function fromChains(intent: Intent): Chain[] {
  const lists = new Map(
    intent.publications
      .filter(({ from }) => from.length > 0)
      .map(({ from }) => [peersText(from), from] as const),
  );
  return [...lists].map(([text, from]) => ({
    name: fromChain(text),
    rules: [
      ...peerMatches(from, "saddr", intent.aliases).map((peer) => rule(...peer, goto("published"))),
      rule(...refuse),
    ],
  }));
}

/** The rules that rewrite destinations, for the nat hooks prerouting and output. */
export function dnatRules(): Rule[] {
  return families.flatMap((family) =>
    [publishMap(family), publishRangesMap(family)].map((name) =>
      rule({
        kind: "dnat",
        family: ip(family),
        address: {
          kind: "map",
          key: concat(payload(ip(family), "daddr"), l4proto, payload("th", "dport")),
          data: reference(name),
        },
      }),
    ),
  );
}

/** The rules that send new connections of publications to their judgement, for the filter hooks forward and output. */
export function admitRules(): Rule[] {
  return families.flatMap((family) =>
    [admitMap(family), admitRangesMap(family)].map((name) => rule(...admitLookup(family, name))),
  );
}

/** `ct original proto-dst` has a type only where the rule has settled the transport protocol (nft 1.0.6). */
function admitLookup(family: Family, name: string): Statement[] {
  const key = concat(ct(`${ip(family)} daddr`, "original"), l4proto, ct("proto-dst", "original"));
  return [
    has(ct("status"), value("dnat")),
    equal(l4proto, anonymousSet(value("tcp"), value("udp"))),
    vmap(key, name),
  ];
}

/** The elements of `admit` maps that count the connections of a publication, keys as nft prints them. */
export function admitElements(publication: PublicationIntent): { set: string; key: string }[] {
  const family = familyOf(publication.address);
  const text = (address: Address, ports: PortRange) => {
    const port = ports.first === ports.last ? `${ports.first}` : `${ports.first}-${ports.last}`;
    return `${address} . ${publication.protocol} . ${port}`;
  };
  if (keepsRange(publication)) {
    return [{ set: admitRangesMap(family), key: text(publication.address, publication.public) }];
  }
  return singlePorts(publication).map((single) => ({
    set: admitMap(family),
    key: text(single.address, single.public),
  }));
}
