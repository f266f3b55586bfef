import { familyOf } from "../base/address.ts";
import { rememberedWhile } from "../base/remembered.ts";
import type { FilterParameters } from "./filter.ts";
import type { Filters } from "./filter-expansion.ts";
import type { Guest, Host, Inventory, Nic } from "./inventory.ts";
import type { GuestPolicy, Policy } from "./policy.ts";
import type { Place } from "./problem.ts";

/** A filter on one nic. */
export interface FilterBinding {
  readonly filter: string;
  /** What the operator gave, and what is known of the nic: MAC, and IP and IPV6 where policy names its addresses. */
  readonly parameters: FilterParameters;
  /** Where the filter was named. */
  readonly at: Place;
  /** Where the operator wrote a parameter. */
  readonly parametersAt?: ReadonlyMap<string, Place>;
}

/**
 * How connections are known of what crosses a bridge: by the kernel's own tracking there, by what IP's filters know of it where
 * br_netfilter leads it through them, or not at all.
 */
export type BridgeTracking = "connections" | "packet-mark" | "none";

export function bridgeTrackingOf({ bridges }: Host): BridgeTracking {
  if (bridges?.isTracked === true) return "connections";
  // One family would leave the other's packets without any state.
  return bridges === undefined || bridges.filtered.length === 2 ? "packet-mark" : "none";
}

const none: Filters = new Map();

export function filtersOf(inventory: Inventory): Filters {
  return inventory.filters ?? none;
}

/** What there is to enforce bindings with. */
export interface FilterWorld {
  readonly filters: Filters;
  /** See `Inventory`. */
  readonly brokenFilters?: Inventory["brokenFilters"];
  readonly bridgeTracking: BridgeTracking;
  /** By name. */
  readonly aliases: Policy["aliases"];
}

/** The same object as long as nothing of it changes. */
export function filterWorldOf({ aliases }: Policy, inventory: Inventory): FilterWorld {
  const { filters = none, brokenFilters, host } = inventory;
  const bridgeTracking = bridgeTrackingOf(host);
  return worldWith(filters, { aliases, bridgeTracking, ...(brokenFilters && { brokenFilters }) });
}

const worldWith = rememberedWhile(
  (_filters: Filters, { aliases, brokenFilters, bridgeTracking }: Omit<FilterWorld, "filters">) => [
    aliases,
    brokenFilters,
    bridgeTracking,
  ],
  (filters, others): FilterWorld => ({ filters, ...others }),
);

/** What policy says of the nic itself wins over what it says of its guest. The same object as long as neither changes. */
export function bindingOf(policy: Policy, guest: Guest, nic: Nic): FilterBinding | undefined {
  const guestPolicy = policy.guests.get(guest.name);
  return guestPolicy && bindingIn(nic, guestPolicy);
}

const bindingIn = rememberedWhile(
  (_nic: Nic, guestPolicy: GuestPolicy) => [guestPolicy],
  makeBinding,
);

function makeBinding(nic: Nic, guestPolicy: GuestPolicy): FilterBinding | undefined {
  const nicPolicy = guestPolicy.nics.get(nic.mac);
  const filter = nicPolicy?.filter ?? guestPolicy.filter;
  if (filter === undefined) return undefined;
  const addresses = nicPolicy?.addresses ?? [];
  const parameters = new Map<string, readonly string[]>([["MAC", [nic.mac]]]);
  for (const [name, family] of [
    ["IP", 4],
    ["IPV6", 6],
  ] as const) {
    const known = addresses.filter((address) => familyOf(address) === family);
    if (known.length > 0) parameters.set(name, known);
  }
  for (const [name, values] of nicPolicy?.parameters ?? []) parameters.set(name, values);
  const { parametersAt } = nicPolicy ?? {};
  return { filter: filter.name, parameters, at: filter.at, ...(parametersAt && { parametersAt }) };
}
