import {
  compareAddresses,
  familyOf,
  formatAddress,
  formatPrefix,
  parsePrefix,
  toBits,
  type Address,
  type Family,
  type Prefix,
} from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import { PrefixMap } from "../base/prefix-map.ts";
import type { Intent, NetworkIntent, NicIntent } from "../model/intent.ts";
import type { Peer } from "../model/policy.ts";
import type { Desired } from "./decide.ts";

export type Held = Pick<Desired, "inventory" | "compiled">;

/** Of what is compared: what was, and what is to be. */
export type Sides<T> = readonly [before: T, after: T];
export type Side = 0 | 1;
export const bothSides: readonly Side[] = [0, 1];

export function onSides<T, U>(
  [before, after]: Sides<T>,
  change: (value: T, side: Side) => U,
): Sides<U> {
  return [change(before, 0), change(after, 1)];
}

/** Somebody who begins flows or answers them, and of whom both policies think alike: one address stands for all of it. */
export interface Party {
  readonly kind: "world" | "host" | "guests";
  /** Of the world and the host; guests are named together. */
  readonly name: string;
  /** By family. Absent: it has none there, or none is known. */
  readonly addresses: ReadonlyMap<Family, Sides<Address>>;
  /** Of those of the world who come by an interface that `host.input` names: they begin flows with the host. */
  readonly entry?: InterfaceName;
  /** Of guests. */
  readonly network?: string;
  readonly groups: Sides<readonly string[]>;
  /** Names of the guests that run. */
  readonly guests: readonly string[];
}

const families: readonly Family[] = [4, 6];

/** Everybody whom either policy tells apart, in an order that depends on what they are alone. */
export function partiesOf(sides: Sides<Held>): readonly Party[] {
  const prefixes = mentioned(sides).flatMap((named) =>
    named.prefixes.map((prefix) => [prefix, named] as const),
  );
  const names: Names = new PrefixMap(prefixes.map((entry) => [entry[0], entry]));
  const world = worldParties(sides, [prefixes.map(([prefix]) => prefix), names]);
  return [
    ...world,
    ...entryParties(sides, world),
    ...hostParty(sides),
    ...guestParties(sides, names),
  ];
}

/** A name that a policy has for addresses, and the prefixes that it stands for. */
interface Named {
  readonly name: string;
  readonly side: Side;
  readonly prefixes: readonly Prefix[];
}

type Names = PrefixMap<readonly [Prefix, Named]>;

function mentioned(sides: Sides<Held>): readonly Named[] {
  return bothSides.flatMap((side): Named[] => {
    const { intent } = sides[side].compiled;
    const literal = new Map(
      peersIn(intent).flatMap((peer) =>
        peer.kind === "prefix" ? [[formatPrefix(peer.prefix), peer.prefix] as const] : [],
      ),
    );
    return [
      ...[...intent.aliases.values()].map(({ name, members }) => ({
        name,
        side,
        prefixes: members,
      })),
      ...[...literal].map(([name, prefix]) => ({ name, side, prefixes: [prefix] })),
    ];
  });
}

function peersIn({ groups, publications, hostInput = [] }: Intent): Peer[] {
  return [
    ...[...groups.values()].flatMap(({ ingress, egress }) => [...ingress, ...egress]),
    ...hostInput.map(({ rule }) => rule),
  ]
    .flatMap(({ peers }) => peers)
    .concat(publications.flatMap(({ from }) => from));
}

/** Which of the names hold the address, as one text. */
function membership(names: Names, address: Address): string {
  return textOf(namesOf(names, address));
}

function textOf(own: readonly Named[]): string {
  return own
    .map(({ name, side }) => `${side} ${name}`)
    .toSorted()
    .join("\n");
}

function namesOf(names: Names, address: Address): readonly Named[] {
  return [...new Set(names.holding(address).map(([, named]) => named))];
}

/** Nobody who could begin a flow through this host. */
const nowhere = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/3",
  "::/127",
  "fe80::/10",
  "ff00::/8",
].flatMap((text) => parsePrefix(text) ?? []);

interface Cell {
  /** Where both policies say the same. */
  readonly name: string | undefined;
  readonly addresses: Map<Family, Sides<Address>>;
  readonly own: readonly Named[];
  readonly prefixes: Set<string>;
}

function worldParties(
  sides: Sides<Held>,
  [prefixes, names]: readonly [readonly Prefix[], Names],
): Party[] {
  const outOf = [...nowhere, ...sides.flatMap(ownPrefixes)];
  const inside = new PrefixMap(outOf.map((prefix) => [prefix, prefix]));
  const cells = new Map<string, Cell>();
  for (const family of families) {
    for (const address of candidates(family, [...outOf, ...prefixes])) {
      if (inside.holding(address).length > 0) continue;
      const own = namesOf(names, address);
      const name = nameOf(own);
      const key = name ?? `${family}\n${textOf(own)}`;
      const cell = cells.get(key) ?? { name, addresses: new Map(), own, prefixes: new Set() };
      cells.set(key, cell);
      if (!cell.addresses.has(family)) cell.addresses.set(family, [address, address]);
      const narrowest = name === undefined ? names.holding(address).at(-1) : undefined;
      if (narrowest) cell.prefixes.add(formatPrefix(narrowest[0]));
    }
  }
  return [...cells.values()]
    .map(({ addresses, name, ...cell }): Party => {
      return {
        kind: "world",
        name: name ?? nameByPrefix(cell),
        addresses,
        groups: [[], []],
        guests: [],
      };
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Of the guests' networks, and of the host itself. */
function ownPrefixes({ inventory, compiled }: Held): Prefix[] {
  return [
    ...compiled.intent.networks.flatMap(({ subnets }) => subnets),
    ...inventory.host.interfaces.flatMap(({ addresses }) =>
      addresses.flatMap((address) => parsePrefix(address) ?? []),
    ),
  ];
}

/** The first address of each stretch in which all addresses are in the same prefixes. */
function candidates(family: Family, prefixes: readonly Prefix[]): Address[] {
  const width = family === 4 ? 32 : 128;
  const end = 1n << BigInt(width);
  const starts = prefixes.flatMap((prefix) => {
    if (prefix.family !== family) return [];
    const first = toBits(prefix.address);
    return [first, first + (1n << BigInt(width - prefix.length))];
  });
  return [...new Set([0n, ...starts])]
    .filter((bits) => bits < end)
    .toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
    .map((bits) => formatAddress(family, bits));
}

/** `world` where nobody has a name for it. A name that the policies understand otherwise is no name here: prefixes are. */
function nameOf(own: readonly Named[]): string | undefined {
  if (own.length === 0) return "world";
  const [before, after] = bothSides.map((side) =>
    together(own.filter((each) => each.side === side).map(({ name }) => name)),
  );
  return before === after ? before : undefined;
}

const fewPrefixes = 3;

function nameByPrefix({ own, prefixes }: Pick<Cell, "own" | "prefixes">): string {
  const all = together(own.map(({ name }) => name));
  const texts = [...prefixes];
  const isMany = texts.length > fewPrefixes;
  const text = isMany ? `${texts[0]} and ${texts.length - 1} more` : texts.join(" and ");
  return all === text ? all : `${text} (${all})`;
}

function together(names: readonly string[]): string {
  return [...new Set(names)].toSorted().join(" and ");
}

/** All of the world once more for each interface by which it does not come anyway. */
function entryParties(sides: Sides<Held>, world: readonly Party[]): Party[] {
  const [{ inventory }] = sides;
  const outside = inventory.host.interfaces.filter(({ hasDefaultRoute }) => hasDefaultRoute);
  const intents = sides.map(({ compiled }) => compiled.intent);
  const apart = new Set([
    ...(outside.length === 1 ? outside.map(({ name }) => name) : []),
    ...intents.flatMap(({ networks }) =>
      networks.filter(({ mode }) => mode !== "bridge").map(({ bridge }) => bridge),
    ),
  ]);
  const named = intents.flatMap(({ hostInput = [] }) =>
    hostInput.flatMap(({ interfaces = [] }) => interfaces),
  );
  return [...new Set(named)]
    .filter((entry) => !apart.has(entry))
    .toSorted()
    .flatMap((entry) =>
      world.map((party) => {
        const name = isRest(party) ? restBy(entry) : `${party.name} by ${entry}`;
        return { ...party, name, entry };
      }),
    );
}

const restBy = (entry: InterfaceName) => `who comes by ${entry}`;

/** Those of the world whom no policy names. */
export function isRest({ kind, name, entry }: Party): boolean {
  return kind === "world" && name === (entry === undefined ? "world" : restBy(entry));
}

function hostParty(sides: Sides<Held>): Party[] {
  const [{ inventory }] = sides;
  const addresses = inventory.host.interfaces
    .toSorted((a, b) => Number(b.hasDefaultRoute) - Number(a.hasDefaultRoute))
    .flatMap((each) => each.addresses);
  const found = families.flatMap((family) => {
    const address = addresses.find((each) => familyOf(each) === family);
    return address === undefined ? [] : [[family, [address, address]] as const];
  });
  if (found.length === 0) return [];
  return [
    { kind: "host", name: "this host", addresses: new Map(found), groups: [[], []], guests: [] },
  ];
}

interface GuestClass extends Party {
  readonly addresses: Map<Family, Sides<Address>>;
  readonly guests: string[];
}

/** Guests that stand in one network, in the same groups, and under the same names; and one of each network that is in no group. */
function guestParties(sides: Sides<Held>, names: Names): Party[] {
  const classes = new Map<string, GuestClass>();
  const [before, after] = onSides(sides, ({ compiled }) => compiled.intent);
  const networks = new Map(before.networks.map((network) => [network.bridge, network]));
  const later = new Map(after.nics.map((nic) => [`${nic.guest} ${nic.mac}`, nic]));
  const add = (
    network: NetworkIntent,
    groups: Sides<readonly string[]>,
    { addresses, guest }: { addresses: readonly Sides<Address>[]; guest?: string },
  ): void => {
    const under = addresses.map((both) => both.map((each) => membership(names, each)).join());
    const key = JSON.stringify([network.name, groups, under.toSorted()]);
    const known: GuestClass = classes.get(key) ?? {
      kind: "guests",
      name: "",
      addresses: new Map(),
      network: network.name,
      groups,
      guests: [],
    };
    classes.set(key, known);
    for (const both of addresses) {
      const family = familyOf(both[0]);
      if (!known.addresses.has(family)) known.addresses.set(family, both);
    }
    if (guest !== undefined && !known.guests.includes(guest)) known.guests.push(guest);
  };
  for (const nic of before.nics) {
    const network = nic.bridge && networks.get(nic.bridge);
    const now = later.get(`${nic.guest} ${nic.mac}`);
    if (!network || now === undefined) continue;
    const addresses = families.flatMap((family) => firstOnBothSides(nic, now, family));
    if (addresses.length === 0) continue;
    add(network, [nic.groups, now.groups], { addresses, guest: nic.guest });
  }
  for (const network of before.networks) {
    const addresses = network.subnets.map((subnet): Sides<Address> => {
      const address = unusedIn(subnet, sides);
      return [address, address];
    });
    if (addresses.length > 0) add(network, [[], []], { addresses });
  }
  return [...classes]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, party]) => ({ ...party, guests: party.guests.toSorted() }));
}

function firstOnBothSides(before: NicIntent, after: NicIntent, family: Family): Sides<Address>[] {
  const [old, now] = [before, after].map(({ addresses }) =>
    addresses.map(({ address }) => address).find((address) => familyOf(address) === family),
  );
  return old === undefined || now === undefined ? [] : [[old, now]];
}

/** From the end: the beginning is where gateways stand, and leases begin. */
function unusedIn(subnet: Prefix, sides: Sides<Held>): Address {
  const used = new Set(
    sides.flatMap(({ compiled, inventory }) => [
      ...compiled.intent.nics.flatMap(({ addresses }) => addresses.map(({ address }) => address)),
      ...inventory.networks.flatMap(({ subnets }) => subnets.map(({ gateway }) => gateway)),
    ]),
  );
  const width = BigInt(subnet.family === 4 ? 32 : 128);
  let bits = toBits(subnet.address) + (1n << (width - BigInt(subnet.length))) - 2n;
  while (used.has(formatAddress(subnet.family, bits)) && bits > toBits(subnet.address)) bits -= 1n;
  return formatAddress(subnet.family, bits);
}

/** Both sides' addresses, so that what changed of a party alone is seen. */
export function isSameParty({ groups: [before, after], addresses }: Party): boolean {
  const hasMoved = [...addresses.values()].some(([old, now]) => compareAddresses(old, now) !== 0);
  return !hasMoved && before.join("\n") === after.join("\n");
}
