import { quote } from "../base/quote.ts";
import { filtersOf } from "../model/filter-binding.ts";
import { placedGuests } from "../model/placed-guests.ts";
import { breach } from "./law.ts";
import { reachable } from "./used-filters.ts";
import type { Filter } from "../model/filter.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Policy } from "../model/policy.ts";
import type { Law } from "./law.ts";

const nicsTold = 5;

/** Who reads `clean-traffic` in a policy takes it for the one that everybody has. */
export const replacedStock: Law = (policy, inventory) =>
  [...filtersOf(inventory).values()]
    .filter(({ origin }) => origin === "in place of stock")
    .map((filter) => {
      const { name, at } = filter;
      const what = `filter ${quote(name)} stands in place of the stock filter of that name`;
      const message = `${what}, ${nicsOf(filter, policy, inventory)}${effectOf(filter)}`;
      const hint = "give it another name, and bind nics to that";
      return breach("warning", "REPLACES_STOCK_FILTER", { at, message, hint });
    });

/** Those that are bound to it, itself or through others. */
function nicsOf({ name }: Filter, policy: Policy, inventory: Inventory): string {
  const filters = filtersOf(inventory);
  const nics = placedGuests(policy, inventory).flatMap(({ guest, nics: placed }) =>
    placed.flatMap(({ nic, binding }) => {
      const isBound = binding !== undefined && reachable(filters, [binding.filter]).has(name);
      return isBound ? [`${nic.tap ?? nic.mac} of ${quote(guest.name)}`] : [];
    }),
  );
  if (nics.length === 0) return "which no nic has now";
  const more = nics.length > nicsTold ? ` and ${nics.length - nicsTold} more` : "";
  return `for ${nics.slice(0, nicsTold).join(", ")}${more}`;
}

function effectOf({ entries }: Filter): string {
  return entries.length === 0 ? "; it has no rule, so it lets everything pass" : "";
}
