import type { Inventory } from "../model/inventory.ts";
import type { Policy } from "../model/policy.ts";

/** What the compiler is given: all that the ruleset depends on. */
export interface Given {
  readonly policy: Policy;
  readonly inventory: Inventory;
}
