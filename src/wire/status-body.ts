import { formatPrefix, type Address } from "../base/address.ts";
import type { Intent } from "../model/intent.ts";
import type { GuestState, PublicationState } from "../model/state.ts";
import type {
  DaemonStatus,
  FoundFirewall,
  IntegratedChain,
  PublicationStatus,
} from "./daemon-status.ts";

/** Packets by set and key; undefined where the kernel did not say. Only the first packet of a connection is counted. */
export type Counts = ReadonlyMap<string, number> | undefined;

export function countsOf(
  elements: readonly { readonly set: string; readonly key: string; readonly packets: number }[],
): Counts {
  return new Map(elements.map(({ set, key, packets }) => [countKey(set, key), packets]));
}

function countKey(set: string, key: string): string {
  return `${set} ${key}`;
}

export function networkStatuses(networks: Intent["networks"] = []): DaemonStatus["networks"] {
  return networks
    .map(({ name, mode, bridge, subnets }) => {
      return { name, mode, bridge, prefixes: subnets.map(formatPrefix) };
    })
    .toSorted((a, b) => compare(a.name, b.name));
}

/** With the addresses that the kernel has learned of nics, by tap. */
export function guestStatuses(
  guests: readonly GuestState[] = [],
  learned: ReadonlyMap<string, readonly Address[]>,
): DaemonStatus["guests"] {
  return guests
    .map((guest) => withLearned(guest, learned))
    .toSorted((a, b) => compare(a.name, b.name));
}

export function publicationStatuses(
  publications: readonly PublicationState[] = [],
  counts: Counts,
): DaemonStatus["publications"] {
  return publications
    .map((publication) => withConnections(publication, counts))
    .toSorted((a, b) => compare(a.guest, b.guest));
}

/** From the best for guests to the worst. */
const states = ["not needed", "passed", "left alone", "owned", "before ours", "needed"];

/** The firewalls whose chains these are. */
export function firewallsOf(chains: readonly IntegratedChain[]): readonly FoundFirewall[] {
  const worst = new Map<string, number>();
  for (const { firewalls, state } of chains) {
    for (const name of firewalls) {
      worst.set(name, Math.max(worst.get(name) ?? 0, states.indexOf(state)));
    }
  }
  return [...worst]
    .map(([name, state]) => ({ name, state: states[state] ?? "needed" }))
    .toSorted((a, b) => compare(a.name, b.name));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function withLearned(
  guest: GuestState,
  learned: ReadonlyMap<string, readonly Address[]>,
): GuestState {
  const nics = guest.nics.map((nic) => {
    const addresses = learned.get(nic.tap ?? "");
    if (nic.filter === undefined || addresses === undefined) return nic;
    return { ...nic, filter: { ...nic.filter, learned: addresses } };
  });
  return { ...guest, nics };
}

function withConnections(publication: PublicationState, counts: Counts): PublicationStatus {
  if (!counts) return publication;
  const keys = publication.targets.flatMap((target) =>
    target.counters.map(({ set, key }) => countKey(set, key)),
  );
  const connections = [...new Set(keys)].reduce((sum, key) => sum + (counts.get(key) ?? 0), 0);
  return { ...publication, connections };
}
