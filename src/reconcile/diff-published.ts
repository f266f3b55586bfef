import { familyOf, type Address } from "../base/address.ts";
import { formatPortRange, type PortProtocol, type PortRange } from "../base/port.ts";
import { peersText } from "../compile/matches.ts";
import type { Flow } from "../model/flow.ts";
import type { Intent, PublicationIntent } from "../model/intent.ts";
import { nameParties } from "./name-parties.ts";
import { PublishedPorts } from "./published.ts";
import type { ReachChange, Scene } from "./reach-change.ts";
import {
  bothSides,
  isSameParty,
  onSides,
  type Party,
  type Side,
  type Sides,
} from "./reach-parties.ts";
import { cutAt } from "./reach-services.ts";

/** Whom a publication leads to whom, as far as the sides differ. */
export function diffPublished(scene: Scene): ReachChange[] {
  const intents = onSides(scene.sides, ({ compiled }) => compiled.intent);
  const isSameSince = scene.isSameRules && scene.parties.every(isSameParty);
  const lists = isSameSince ? differing(intents) : [...byPlace(intents).values()];
  const published: Published = {
    ...scene,
    names: onSides(intents, guestNames),
    ports: onSides(intents, ({ publications }) => new PublishedPorts(publications)),
  };
  return lists.flatMap((both) => diffPlace(published, both));
}

interface Published extends Scene {
  /** Of guests, by address. */
  readonly names: Sides<ReadonlyMap<Address, string>>;
  readonly ports: Sides<PublishedPorts<PublicationIntent>>;
}

/** Publications of one address and protocol. */
type Both = Sides<PublicationIntent[]>;

function byPlace(intents: Sides<Intent>): Map<string, Both> {
  const places = new Map<string, Both>();
  for (const side of bothSides) {
    for (const publication of intents[side].publications) {
      const key = `${publication.address} ${publication.protocol}`;
      const both: Both = places.get(key) ?? [[], []];
      places.set(key, both);
      both[side].push(publication);
    }
  }
  return places;
}

/** Without those that both sides have. */
function differing(intents: Sides<Intent>): Both[] {
  const texts = onSides(intents, ({ publications }) => new Set(publications.map(textOf)));
  const changed = onSides(intents, (intent, side) => {
    const publications = intent.publications.filter(
      (each) => !texts[other(side)].has(textOf(each)),
    );
    return { ...intent, publications };
  });
  return [...byPlace(changed).values()];
}

const other = (side: Side): Side => (side === 0 ? 1 : 0);

function textOf({
  address,
  protocol,
  public: ports,
  guestAddress,
  guestPorts,
  from,
}: PublicationIntent) {
  const leads = `${guestAddress} ${formatPortRange(guestPorts)}`;
  return `${address} ${protocol} ${formatPortRange(ports)} ${leads} ${peersText(from)}`;
}

function guestNames({ nics }: Intent): ReadonlyMap<Address, string> {
  return new Map(
    nics.flatMap(({ guest, addresses }) =>
      addresses.map(({ address }) => [address, guest] as const),
    ),
  );
}

/** Some ports of a publication, who comes by them to whom now, or does no more. */
interface Passage {
  readonly change: ReachChange["change"];
  readonly guest: string;
  readonly address: Address;
  readonly protocol: PortProtocol;
  readonly from: readonly Party[];
  readonly public: PortRange;
  readonly guestPorts: PortRange;
}

function diffPlace(scene: Published, both: Both): ReachChange[] {
  const passages = bothSides.flatMap((side) =>
    both[side].flatMap((publication) => {
      const { address, protocol } = publication;
      const shift = publication.guestPorts.first - publication.public.first;
      return stretchesOf(scene, both, publication).flatMap((ports): Passage[] => {
        const from = scene.parties.filter((party) =>
          isOnlyHere(scene, { publication, port: ports.first, party, side }),
        );
        if (from.length === 0) return [];
        return [
          {
            change: side === 1 ? "opens" : "closes",
            guest: guestOf(scene, publication, side),
            address,
            protocol,
            from,
            public: ports,
            guestPorts: { first: ports.first + shift, last: ports.last + shift },
          },
        ];
      });
    }),
  );
  return merged(passages).map((passage) => describe(scene.parties, passage));
}

function guestOf({ names }: Published, { guestAddress }: PublicationIntent, side: Side): string {
  return names[side].get(guestAddress) ?? guestAddress;
}

interface Asked {
  readonly publication: PublicationIntent;
  readonly port: number;
  readonly party: Party;
  readonly side: Side;
}

/** Somebody is led to a port of a guest to which the other side does not lead him. */
function isOnlyHere(scene: Published, asked: Asked): boolean {
  const here = leadsTo(scene, asked);
  if (here === undefined) return false;
  const side = other(asked.side);
  const flow = flowOf(asked);
  const publication = flow && scene.ports[side].asked(flow);
  return publication === undefined || leadsTo(scene, { ...asked, publication, side }) !== here;
}

/** The guest and its port; undefined where somebody is not led. */
function leadsTo(scene: Published, asked: Asked): string | undefined {
  const flow = flowOf(asked);
  if (flow === undefined || !scene.admissions[asked.side].admitsPublished(flow)) return undefined;
  return `${guestOf(scene, asked.publication, asked.side)} ${flow.answererPort}`;
}

function flowOf({ publication, port, party, side }: Asked): Flow | undefined {
  const { address, protocol, guestAddress, guestPorts } = publication;
  const source = party.addresses.get(familyOf(address))?.[side];
  if (source === undefined) return undefined;
  return {
    key: "",
    protocol,
    source,
    destination: address,
    port,
    answerer: guestAddress,
    answererPort: guestPorts.first + port - publication.public.first,
    isAnswered: false,
  };
}

/** Its public ports, cut wherever another publication begins or ends, or a rule tells the guest's ports apart. */
function stretchesOf(scene: Published, both: Both, publication: PublicationIntent): PortRange[] {
  const { public: own } = publication;
  if (own.first === own.last) return [own];
  const shift = publication.guestPorts.first - publication.public.first;
  const rules = scene.stretches
    .filter(({ protocol }) => protocol === publication.protocol)
    .map(({ ports }) => ({ first: ports.first - shift, last: ports.last - shift }));
  const others = both.flat().map((each) => each.public);
  return cutAt([...others, ...rules], publication.public);
}

/** Stretches beside each other of which the same is to be said. */
function merged(passages: readonly Passage[]): Passage[] {
  const found: Passage[] = [];
  for (const next of passages) {
    const last = found.at(-1);
    const isMore =
      last?.change === next.change &&
      last.guest === next.guest &&
      last.public.last + 1 === next.public.first &&
      last.guestPorts.last + 1 === next.guestPorts.first &&
      last.from.length === next.from.length &&
      last.from.every((party, index) => party === next.from[index]);
    if (!isMore || last === undefined) found.push(next);
    else {
      found[found.length - 1] = {
        ...last,
        public: { first: last.public.first, last: next.public.last },
        guestPorts: { first: last.guestPorts.first, last: next.guestPorts.last },
      };
    }
  }
  return found;
}

function describe(parties: readonly Party[], passage: Passage): ReachChange {
  const { change, guest, address, protocol, from, guestPorts } = passage;
  const host = familyOf(address) === 6 ? `[${address}]` : address;
  return {
    change,
    from: nameParties(parties, new Set(from)),
    to: [guest],
    services: `${protocol}/${formatPortRange(guestPorts)}`,
    publication: `${host}:${formatPortRange(passage.public)}`,
  };
}
