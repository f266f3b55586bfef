import { isRest, type Party } from "./reach-parties.ts";

/** Names that together mean these of all parties and no other: few where there are words for many. */
export function nameParties(all: readonly Party[], chosen: ReadonlySet<Party>): readonly string[] {
  const plain = all.filter(({ entry }) => entry === undefined);
  const isEverybody = plain.length > 1 && plain.every((party) => chosen.has(party));
  if (isEverybody) return ["everybody"];
  return [...nameOutside(all, chosen), ...nameGuests(all, chosen)];
}

/** What opens for all the rest of the world is said of the world: for those whom a policy names it changes too, or was so before. */
function nameOutside(all: readonly Party[], chosen: ReadonlySet<Party>): string[] {
  const outside = all.filter((party) => party.kind !== "guests" && chosen.has(party));
  const rests = outside.filter(isRest);
  return outside
    .filter(
      (party) =>
        party.kind === "host" || isRest(party) || rests.every(({ entry }) => entry !== party.entry),
    )
    .toSorted((a, b) => Number(isRest(b)) - Number(isRest(a)))
    .map(({ name }) => name);
}

interface Term {
  readonly name: string;
  readonly parties: readonly Party[];
}

/** The name that covers most goes first. */
function nameGuests(all: readonly Party[], chosen: ReadonlySet<Party>): string[] {
  const guests = all.filter(({ kind }) => kind === "guests");
  const left = new Set(guests.filter((party) => chosen.has(party)));
  const names: string[] = [];
  const terms = termsFor(guests).filter(({ parties }) => parties.every((each) => left.has(each)));
  const bySize = terms.toSorted((a, b) => b.parties.length - a.parties.length);
  for (const { name, parties } of bySize) {
    if (!parties.some((party) => left.has(party))) continue;
    names.push(name);
    for (const party of parties) left.delete(party);
  }
  return [...names, ...[...left].map(nameOne)].toSorted();
}

function termsFor(guests: readonly Party[]): Term[] {
  const networks = new Set(guests.flatMap(({ network }) => network ?? []));
  const groups = new Set(guests.flatMap((party) => party.groups[0]));
  const inNetwork = (name: string) => guests.filter(({ network }) => network === name);
  const inGroup = (name: string) =>
    guests.filter(({ groups: both }) => both.some((side) => side.includes(name)));
  return [
    ...[...networks].toSorted().map((name) => ({
      name: `guests of ${name}`,
      parties: inNetwork(name),
    })),
    ...[...groups]
      .toSorted()
      .map((name) => ({ name: `group ${name}`, parties: inGroup(name) }))
      // Somebody who leaves or joins is told by his own name.
      .filter(({ name, parties }) =>
        parties.every((party) => party.groups.every((side) => side.includes(name.slice(6)))),
      ),
  ];
}

const fewGuests = 3;

function nameOne({ network = "", groups: [before, after], guests }: Party): string {
  if (guests.length > 0 && guests.length <= fewGuests) return guests.join(" and ");
  const groups = [...new Set([...before, ...after])];
  const kind = groups.length === 0 ? "in no group" : `in ${groups.join(" and ")}`;
  return `guests of ${network} ${kind}`;
}
