import type { InterfaceName } from "../base/interface-name.ts";
import { once } from "../base/remembered.ts";
import { effectivePolicy } from "../model/effective-policy.ts";
import type { Intent, NicIntent } from "../model/intent.ts";
import type { Guest, Inventory } from "../model/inventory.ts";
import type { Policy } from "../model/policy.ts";
import type { GuestState, PublicationState } from "../model/state.ts";
import type { Table } from "../nft/ast.ts";
import { agentsToAsk } from "./agents-to-ask.ts";
import { guestState } from "./guest-state.ts";
import { intend } from "./intend.ts";
import type { IntendedPublication } from "./intend-publications.ts";
import { bridgeTable } from "./lower-bridge.ts";
import { type Lowered, lowerFilters } from "./lower-filters.ts";
import { filterChains } from "./lower-filter.ts";
import { lowerGroups } from "./lower-groups.ts";
import { hostChains } from "./lower-host.ts";
import { natChains } from "./lower-nat.ts";
import { admitElements, lowerPublications, publishedAddresses } from "./lower-publications.ts";
import { networkSets, peerAddressSets } from "./lower-sets.ts";
import { tableName } from "./names.ts";

export interface Compiled {
  /** `inet virtwall` and `bridge virtwall`; made when they are asked for: who explains goes by the kernel's. */
  readonly tables: readonly Table[];
  readonly intent: Intent;
  /** Likewise, as are the publications: only people ask. */
  readonly guests: readonly GuestState[];
  readonly publications: readonly PublicationState[];
  /** Taps of guests that publications lead to: with br_netfilter they reach themselves only through a port in hairpin mode. */
  readonly hairpinTaps: readonly InterfaceName[];
  /** UUIDs of guests whose own agent could tell an address that is needed and not known better. */
  readonly agentsToAsk: readonly string[];
}

/**
 * The ruleset that policy and inventory ask for. Pure and deterministic: the same input in any order gives the same tables, whatever
 * was there before. Expects a policy that the check room has found free of errors.
 */
export function compile(policy: Policy, inventory: Inventory): Compiled {
  const effective = effectivePolicy(policy, inventory.guests).policy;
  const { intent, publications } = intend({ policy: effective, inventory });
  const tables = once(() => tablesOf(intent));
  const guests = once(() => guestStates(inventory.guests, intent));
  const states = once(() => publications.flat().map(publicationState));
  return {
    intent,
    get tables() {
      return tables();
    },
    get guests() {
      return guests();
    },
    get publications() {
      return states();
    },
    hairpinTaps: hairpinTaps(intent),
    agentsToAsk: agentsToAsk({ policy: effective, inventory }, intent),
  };
}

function tablesOf(intent: Intent): Table[] {
  const filters = lowerFilters(intent);
  return [inetTable(intent, filters.inet), bridgeTable(intent, filters.bridge)];
}

function inetTable(intent: Intent, filters: Lowered): Table {
  const publications = lowerPublications(intent);
  const groups = lowerGroups(intent);
  return {
    family: "inet",
    name: tableName,
    sets: [
      ...networkSets(intent),
      ...publications.sets,
      ...groups.sets,
      ...peerAddressSets(intent),
      ...filters.sets,
    ].toSorted(byName),
    chains: [
      ...natChains(intent),
      ...filterChains(intent),
      ...[
        ...publications.chains,
        ...groups.chains,
        ...hostChains(intent),
        ...filters.chains,
      ].toSorted(byName),
    ],
  };
}

function hairpinTaps(intent: Intent): InterfaceName[] {
  const published = publishedAddresses(intent.publications);
  return intent.nics.flatMap(({ tap, addresses }) =>
    tap !== undefined && addresses.some(({ address }) => published.has(address)) ? [tap] : [],
  );
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}

function guestStates(guests: readonly Guest[], intent: Intent): GuestState[] {
  const nics = nicsByGuest(intent);
  return guests.map((guest) => guestState(guest, nics.get(guest.name) ?? [], intent));
}

function nicsByGuest(intent: Intent): ReadonlyMap<string, readonly NicIntent[]> {
  const guests = new Map<string, NicIntent[]>();
  for (const nic of intent.nics) {
    const nics = guests.get(nic.guest);
    if (nics === undefined) guests.set(nic.guest, [nic]);
    else nics.push(nic);
  }
  return guests;
}

function publicationState(publication: IntendedPublication): PublicationState {
  const { guest, wanted, mapping, intents, reason } = publication;
  return {
    guest,
    protocol: mapping.protocol,
    writtenIn: wanted.inGuest ? "guest" : "policy",
    ...(wanted.address !== undefined && { address: wanted.address }),
    public: mapping.public,
    guestPorts: mapping.guest,
    state: intents.length > 0 ? "active" : "pending",
    ...(reason !== undefined && { reason }),
    // Who asks for one in ten thousand need not wait for where all of them are counted.
    get targets() {
      return intents.map((intent) => ({
        address: intent.address,
        guestAddress: intent.guestAddress,
        counters: admitElements(intent),
      }));
    },
  };
}
