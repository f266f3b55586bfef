import { rememberedWhile } from "../base/remembered.ts";
import { type FilterWorld, filterWorldOf } from "../model/filter-binding.ts";
import { type PlacedGuest, placedGuests } from "../model/placed-guests.ts";
import type { GuestLaw, Law } from "./law.ts";

/** Laws of one guest as a law of all. What was found of a guest is remembered: of a thousand few change at a time. */
export function ofEachGuest(...laws: readonly GuestLaw[]): Law {
  const breaches = rememberedWhile(
    (_placed: PlacedGuest, { filters, brokenFilters, bridgeTracking, aliases }: FilterWorld) => [
      filters,
      brokenFilters,
      bridgeTracking,
      aliases,
    ],
    (placed, world) => laws.flatMap((law) => law(placed, world)),
  );
  return (policy, inventory) => {
    const world = filterWorldOf(policy, inventory);
    return placedGuests(policy, inventory).flatMap((placed) => breaches(placed, world));
  };
}
