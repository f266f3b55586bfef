import { remembered } from "../base/remembered.ts";
import { type FilterWorld, filterWorldOf } from "../model/filter-binding.ts";
import { type PlacedGuest, placedGuests } from "../model/placed-guests.ts";
import type { GuestLaw, Law } from "./law.ts";

/** Laws of one guest as a law of all. What was found of a guest is remembered: of a thousand few change at a time. */
export function ofEachGuest(...laws: readonly GuestLaw[]): Law {
  const breachesIn = remembered((world: FilterWorld) =>
    remembered((placed: PlacedGuest) => laws.flatMap((law) => law(placed, world))),
  );
  return (policy, inventory) =>
    placedGuests(policy, inventory).flatMap(breachesIn(filterWorldOf(policy, inventory)));
}
