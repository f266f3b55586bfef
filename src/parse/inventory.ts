import { append } from "../base/append.ts";
import { quote } from "../base/quote.ts";
import { remembered, rememberedWhile } from "../base/remembered.ts";
import { mergeFilters } from "./merge-filters.ts";
import { parseGuestXml } from "./guest-xml.ts";
import { parseLeases } from "./leases.ts";
import { parseNetworkXml } from "./network-xml.ts";
import { placeText } from "../model/problem-text.ts";
import type { Guest, HostInterface, Inventory, Lease, Network, Nic } from "../model/inventory.ts";
import type { Place, Problem } from "../model/problem.ts";
import type { LibvirtTexts, SourceText } from "../model/source-text.ts";

/** Remembered by text: a thousand guests are described, and one of them changes. */
const guestIn = remembered(parseGuestXml);
const networkIn = remembered(parseNetworkXml);
const leasesIn = remembered(parseLeases);

/** What is parsed now need not be when {@link parseInventory} is asked about the same text. */
export function parseAhead(guest: SourceText): void {
  guestIn(guest);
}

/**
 * What libvirt says, understood as far as it can be: a text or a part of it that makes no sense is left out with a problem at its
 * place, and takes nothing else along. Of two things that cannot both be, the first stays.
 */
export function parseInventory(
  texts: LibvirtTexts,
  interfaces: readonly HostInterface[],
): { inventory: Inventory; problems: Problem[] } {
  const problems: Problem[] = [];
  const { networks, problems: networkProblems } = networksIn(texts.networks);
  append(problems, networkProblems);
  const guests = distinctGuests(
    texts.guests.flatMap((text) => {
      const parsed = guestIn(text);
      append(problems, parsed.problems);
      return parsed.guest ?? [];
    }),
    problems,
  );
  const written = allLeasesIn(texts.leases);
  append(problems, written.problems);
  const merged = mergeFilters(texts);
  append(problems, merged.problems);
  return {
    inventory: {
      networks,
      guests: withDistinctNics(guests, networks, problems),
      leases: leasesAt(written.leases, texts.readAt),
      host: { interfaces },
      filters: merged.filters,
      brokenFilters: merged.brokenFilters,
    },
    problems,
  };
}

/** Remembered, since what is looked up among all of them is remembered by the list. */
const networksIn = remembered((texts: readonly SourceText[]) => {
  const problems: Problem[] = [];
  const networks = texts.flatMap((text) => {
    const parsed = networkIn(text);
    append(problems, parsed.problems);
    return parsed.network ?? [];
  });
  return { networks: distinctNetworks(networks, problems), problems };
});

const allLeasesIn = remembered((texts: readonly SourceText[]) => {
  const parsed = texts.map(leasesIn);
  return {
    leases: parsed.flatMap(({ leases }) => leases),
    problems: parsed.flatMap(({ problems }) => problems),
  };
});

/** As it is at that time: the same list until another lease has ended. */
const leasesAt = rememberedWhile(
  (leases: readonly Lease[], readAt: number | undefined) => [
    leases.filter((lease) => hasEndedAt(lease, readAt)).length,
  ],
  (leases, readAt): readonly Lease[] =>
    leases.map((lease) => (hasEndedAt(lease, readAt) ? { ...lease, hasEnded: true } : lease)),
);

/** Leases that never end are written with 0. */
function hasEndedAt({ expires }: Lease, readAt: number | undefined): boolean {
  return readAt !== undefined && expires > 0 && expires <= readAt;
}

function distinctNetworks(networks: readonly Network[], problems: Problem[]): Network[] {
  const names = new Map<string, Place>();
  const bridges = new Map<string, Place>();
  return networks.filter((network) => {
    const what = `network ${quote(network.name)} is left out`;
    // A bridge of the host's may carry several networks; one that libvirt made carries one.
    const bridge = network.forward === "bridge" ? undefined : network.bridge;
    const first = names.get(network.name) ?? (bridge && bridges.get(bridge));
    if (first !== undefined) {
      const same = names.has(network.name) ? "its name" : `its bridge ${bridge}`;
      const message = `${what}: ${same} is that of ${placeText(first)}`;
      problems.push({ code: "DUPLICATE_NETWORK", severity: "error", at: network.at, message });
      return false;
    }
    names.set(network.name, network.at);
    if (bridge !== undefined) bridges.set(bridge, network.at);
    return true;
  });
}

function distinctGuests(guests: readonly Guest[], problems: Problem[]): readonly Guest[] {
  const uuids = guests.flatMap(({ uuid }) => (uuid === "" ? [] : [uuid]));
  if (areDistinct(guests.map(({ name }) => name)) && areDistinct(uuids)) return guests;
  const seen = new Map<string, Place>();
  return guests.filter((guest) => {
    const keys = [`name ${guest.name}`, ...(guest.uuid === "" ? [] : [`uuid ${guest.uuid}`])];
    const key = keys.find((candidate) => seen.has(candidate));
    const first = key === undefined ? undefined : seen.get(key);
    if (key !== undefined && first !== undefined) {
      const same = key.startsWith("name ") ? "name" : "UUID";
      const message = `guest ${quote(guest.name)} is left out: its ${same} is that of ${placeText(first)}`;
      problems.push({ code: "DUPLICATE_GUEST", severity: "error", at: guest.at, message });
      return false;
    }
    for (const candidate of keys) seen.set(candidate, guest.at);
    return true;
  });
}

/** Mostly they are, and that is seen at least cost. */
function areDistinct(texts: readonly string[]): boolean {
  return new Set(texts).size === texts.length;
}

/**
 * A tap is one nic's, and on one bridge a MAC address is one nic's; on two bridges it does no harm. Of two guests it is that one's who was
 * started first, whatever the order of the texts: who comes with another's MAC address takes nothing away from him.
 */
function withDistinctNics(
  guests: readonly Guest[],
  networks: readonly Network[],
  problems: Problem[],
): readonly Guest[] {
  const nics = guests.flatMap((guest) => guest.nics);
  const named = nics.flatMap(({ tap }) => tap ?? []);
  if (areDistinct(named) && areDistinct(nics.map(({ mac }) => mac))) return guests;
  const bridgeOf = new Map(networks.map((network) => [network.name, network.bridge]));
  const taps = new Map<string, Place>();
  const macs = new Map<string, Place>();
  const isDistinct = (guest: Guest, nic: Nic) => {
    const bridge = nic.bridge ?? bridgeOf.get(nic.network ?? "") ?? nic.network;
    const macKey = bridge === undefined ? undefined : `${bridge} ${nic.mac}`;
    const sameTap = nic.tap && taps.get(nic.tap);
    const sameMac = macKey && macs.get(macKey);
    const what = `a nic of guest ${quote(guest.name)} is left out`;
    if (sameTap) {
      const message = `${what}: its tap ${nic.tap} is that of ${placeText(sameTap)}`;
      problems.push({ code: "DUPLICATE_TAP", severity: "error", at: nic.at, message });
      return false;
    }
    if (sameMac) {
      const message = `${what}: its MAC address ${nic.mac} is that of ${placeText(sameMac)} on the same bridge`;
      problems.push({ code: "DUPLICATE_MAC", severity: "error", at: nic.at, message });
      return false;
    }
    if (nic.tap !== undefined) taps.set(nic.tap, nic.at);
    if (macKey !== undefined) macs.set(macKey, nic.at);
    return true;
  };
  const distinct = new Map(
    guests
      .toSorted(byStart)
      .map((guest) => [guest, guest.nics.filter((nic) => isDistinct(guest, nic))]),
  );
  return guests.map((guest) => {
    const nics = distinct.get(guest) ?? [];
    return nics.length === guest.nics.length ? guest : { ...guest, nics };
  });
}

/** Those of which libvirt gives no number come last, as they stand. */
function byStart(a: Guest, b: Guest): number {
  return (a.id ?? Number.MAX_SAFE_INTEGER) - (b.id ?? Number.MAX_SAFE_INTEGER);
}
