import { effectivePolicy } from "../model/effective-policy.ts";
import type { Filter } from "../model/filter.ts";
import type { Inventory } from "../model/inventory.ts";
import type { NameRef } from "../model/policy.ts";
import type { Written } from "../reconcile/decide.ts";

/** Who is bound to the filter, itself or through others, and which filters refer to it, in words. */
export function filterUsers({ policy, inventory }: Written, name: string): string[] {
  const filters = inventory.filters ?? new Map<string, Filter>();
  const through = referrersOf(filters, name);
  const bound = [...effectivePolicy(policy, inventory.guests).policy.guests.values()].flatMap(
    (guest) => [
      ...wordsOf(guest.filter, `guest ${guest.name}`),
      ...[...guest.nics.values()].flatMap(({ filter, mac }) =>
        wordsOf(filter, `nic ${tapOf(inventory, guest.name, mac) ?? mac} of guest ${guest.name}`),
      ),
    ],
  );
  const users = bound.filter(({ ref }) => ref.name === name || through.has(ref.name));
  return [
    ...users.map(({ ref, who }) => `${who} (${ref.at.file}:${ref.at.line})`),
    ...[...through].map((filter) => `filter ${filter}`),
  ];
}

function wordsOf(ref: NameRef | undefined, who: string) {
  return ref === undefined ? [] : [{ ref, who }];
}

function tapOf({ guests }: Inventory, name: string, mac: string): string | undefined {
  return guests.find((guest) => guest.name === name)?.nics.find((nic) => nic.mac === mac)?.tap;
}

function referrersOf(filters: ReadonlyMap<string, Filter>, name: string): Set<string> {
  const found = new Set<string>();
  const visit = (target: string): void => {
    for (const { name: from, entries } of filters.values()) {
      const refers = entries.some((entry) => entry.kind === "reference" && entry.filter === target);
      if (!refers || found.has(from)) continue;
      found.add(from);
      visit(from);
    }
  };
  visit(name);
  return found;
}
