import { defined } from "../base/defined.ts";
import { quote } from "../base/quote.ts";
import type { FilterWorld } from "../model/filter-binding.ts";
import type { Inventory } from "../model/inventory.ts";
import type { PlacedGuest } from "../model/placed-guests.ts";
import type { Policy } from "../model/policy.ts";
import type { Place, Problem } from "../model/problem.ts";

/** What must hold between what the operator wrote and what is there. Tells every breach. */
export type Law = (policy: Policy, inventory: Inventory) => Problem[];

/** What must hold of one guest, whatever others there are. Tells every breach. */
export type GuestLaw = (placed: PlacedGuest, world: FilterWorld) => Problem[];

/** A law that asks for nothing but what the operator wrote. */
export type PolicyLaw = (policy: Policy) => Problem[];

export function breach(
  severity: Problem["severity"],
  code: string,
  what: { readonly at: Place; readonly message: string; readonly hint?: string | undefined },
): Problem {
  const { at, message, hint } = what;
  return defined({ code, severity, at, message, hint });
}

export function didYouMean(name: string | undefined): string | undefined {
  return name === undefined ? undefined : `did you mean ${quote(name)}?`;
}
