import { familyOf, type Address, type Family } from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { PortRange } from "../base/port.ts";
import { rememberedWhile } from "../base/remembered.ts";
import type { NetworkIntent, NicIntent, PublicationIntent } from "../model/intent.ts";
import type { GuestPolicy, PortMapping, PublicationPolicy } from "../model/policy.ts";
import { uplinkNames } from "../model/uplinks.ts";
import type { Given } from "./given.ts";

/** One port mapping of one publication of one guest, and where it leads now. */
export interface IntendedPublication {
  readonly guest: string;
  readonly wanted: PublicationPolicy;
  readonly mapping: PortMapping;
  /** Empty while it is pending. */
  readonly intents: readonly PublicationIntent[];
  /** Why it is pending. */
  readonly reason?: string;
}

interface Known {
  readonly networks: readonly NetworkIntent[];
  /** Of each guest that runs and has any. */
  readonly nicsOfGuests: readonly (readonly NicIntent[])[];
}

/** Those of each guest. */
export function intendPublications(given: Given, known: Known): (readonly IntendedPublication[])[] {
  if (given.policy.guests.size === 0) return [];
  const uplinks = uplinkAddresses(given);
  const uplinksText = uplinks.join();
  const addresses = addressesByGuest(known);
  const before = last;
  last = new Map(
    [...given.policy.guests.values()].map((guest) => {
      const reachable = addresses.get(guest.name);
      return [guest.name, publicationsOf(guest, { uplinks, uplinksText, reachable, before })];
    }),
  );
  return [...last.values()];
}

/** Of each guest what was intended last: see {@link asBefore}. */
let last: ReadonlyMap<string, readonly IntendedPublication[]> = new Map();

interface Reachable {
  readonly addresses: ReadonlyMap<Family, Address>;
  readonly text: string;
}

interface Circumstance {
  readonly uplinks: readonly Address[];
  readonly uplinksText: string;
  /** Undefined while the guest does not run. */
  readonly reachable: Reachable | undefined;
  readonly before: typeof last;
}

/** Remembered while they lead where they led, so that what is made of each can be remembered too. */
const publicationsOf = rememberedWhile(
  (_guest: GuestPolicy, { uplinksText, reachable }: Circumstance) => [uplinksText, reachable?.text],
  (guest, { uplinks, reachable, before }) => {
    const known = before.get(guest.name)?.flatMap(({ intents }) => intents) ?? [];
    let position = 0;
    return guest.publish.flatMap((wanted) =>
      wanted.ports.map((mapping): IntendedPublication => {
        const publicAddresses = wanted.address === undefined ? uplinks : [wanted.address];
        const intents = publicAddresses
          .flatMap((address) =>
            lead({ address, wanted, mapping }, reachable?.addresses.get(familyOf(address))),
          )
          .map((intent) => asBefore(intent, known[position++]));
        const reason = pendingBecause(wanted, publicAddresses, reachable);
        return {
          guest: guest.name,
          wanted,
          mapping,
          intents,
          ...(intents.length === 0 && { reason }),
        };
      }),
    );
  },
);

/**
 * The object of before where it says the same: a line more at the head of a policy moves all that is written below, and nothing of what
 * follows from it. Peers bear the places where they are written, so what has any is not compared.
 */
function asBefore(
  intent: PublicationIntent,
  known: PublicationIntent | undefined,
): PublicationIntent {
  const isSame =
    known !== undefined &&
    intent.from.length + known.from.length === 0 &&
    intent.address === known.address &&
    intent.guestAddress === known.guestAddress &&
    intent.protocol === known.protocol &&
    isSameRange(intent.public, known.public) &&
    isSameRange(intent.guestPorts, known.guestPorts);
  return isSame ? known : intent;
}

function isSameRange(a: PortRange, b: PortRange): boolean {
  return a.first === b.first && a.last === b.last;
}

function lead(
  publication: { address: Address; wanted: PublicationPolicy; mapping: PortMapping },
  guestAddress: Address | undefined,
): PublicationIntent[] {
  if (guestAddress === undefined) return [];
  const { address, wanted, mapping } = publication;
  return [
    {
      address,
      protocol: mapping.protocol,
      public: mapping.public,
      guestAddress,
      guestPorts: mapping.guest,
      from: wanted.from.some((peer) => peer.kind === "any") ? [] : wanted.from,
    },
  ];
}

/**
 * The address of each running guest to which publications of a family lead: the first of the first nic that has one, in the order
 * of its XML. Nics in the uplink's own network do not count: they are reached without us.
 */
function addressesByGuest({ networks, nicsOfGuests }: Known): Map<string, Reachable> {
  const bridged = new Set(
    networks.filter(({ mode }) => mode === "bridge").map(({ bridge }) => bridge),
  );
  const guests = new Map<string, Reachable>();
  for (const nics of nicsOfGuests) {
    const [first] = nics;
    if (first !== undefined) guests.set(first.guest, reachableBy(nics, bridged));
  }
  return guests;
}

const reachableBy = rememberedWhile(
  (nics: readonly NicIntent[], bridged: ReadonlySet<InterfaceName>) =>
    nics.map(({ bridge }) => bridge !== undefined && bridged.has(bridge)),
  (nics, bridged): Reachable => {
    const addresses = new Map<Family, Address>();
    for (const { bridge, addresses: known } of nics) {
      if (bridge === undefined || bridged.has(bridge)) continue;
      for (const { address } of known) {
        if (!addresses.has(familyOf(address))) addresses.set(familyOf(address), address);
      }
    }
    return { addresses, text: [...addresses.values()].join() };
  },
);

function uplinkAddresses({ policy, inventory }: Given): Address[] {
  const names = uplinkNames(policy.host, inventory.host);
  const addresses = inventory.host.interfaces
    .filter(({ name }) => names.has(name))
    .flatMap((uplink) => uplink.addresses);
  return [...new Set(addresses)];
}

function pendingBecause(
  wanted: PublicationPolicy,
  publicAddresses: readonly Address[],
  reachable: Reachable | undefined,
): string {
  if (reachable === undefined) return "the guest does not run";
  if (publicAddresses.length === 0) return "no uplink has an address";
  if (reachable.addresses.size === 0) return "the guest has no known address behind this host";
  const family = familyOf(wanted.address ?? publicAddresses[0] ?? ("" as Address));
  return `the guest has no known IPv${family} address`;
}
