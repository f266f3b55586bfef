import type { Intent, NicIntent } from "../model/intent.ts";
import { expandFilter } from "../model/filter-expansion.ts";
import type { Held } from "./reach-parties.ts";

/** A nic that is filtered otherwise. */
export interface FilterChange {
  readonly guest: string;
  readonly mac: string;
  /** With its parameters; null: none. */
  readonly before: string | null;
  readonly after: string | null;
  /** The names are the same, and what the filter says is not. */
  readonly isRedefined?: true;
}

export function diffFilters(before: Held, after: Held): readonly FilterChange[] {
  const [old, now] = [before.compiled.intent, after.compiled.intent];
  const later = new Map(now.nics.map((nic) => [`${nic.mac} ${nic.guest}`, nic]));
  return old.nics.flatMap((nic): FilterChange[] => {
    const next = later.get(`${nic.mac} ${nic.guest}`);
    if (next === undefined) return [];
    const [one, other] = [describeBinding(nic), describeBinding(next)];
    const { guest, mac } = nic;
    if (one !== other) return [{ guest, mac, before: one, after: other }];
    if (one === null || rulesOf(old, nic) === rulesOf(now, next)) return [];
    return [{ guest, mac, before: one, after: other, isRedefined: true }];
  });
}

export function formatFilterChange(change: FilterChange): string {
  const { guest, mac, before, after, isRedefined } = change;
  const what = isRedefined
    ? `${before ?? ""} is defined anew`
    : `${before ?? "none"} before, ${after ?? "none"} after`;
  return `filter of ${guest} ${mac}: ${what}`;
}

/** The nic's own hardware address is no news. */
function describeBinding({ filter: binding }: NicIntent): string | null {
  if (binding === undefined) return null;
  const parameters = [...binding.parameters]
    .filter(([name]) => name !== "MAC")
    .map(([name, values]) => `${name}=${values.join(",")}`)
    .toSorted();
  return [binding.filter, ...parameters].join(" ");
}

function rulesOf({ filters }: Intent, { filter: binding }: NicIntent): string {
  const expansion = binding && expandFilter(filters, binding.filter);
  return JSON.stringify(expansion?.rules ?? null, (key, value: unknown) => {
    if (key === "at") return undefined;
    return value instanceof Map ? [...value] : value;
  });
}
