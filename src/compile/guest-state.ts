import { quote } from "../base/quote.ts";
import { remembered } from "../base/remembered.ts";
import type { FilterBinding, FilterWorld } from "../model/filter-binding.ts";
import { faultsOf, type BindingFault } from "../model/filter-faults.ts";
import type { NicIntent } from "../model/intent.ts";
import type { Guest, Nic } from "../model/inventory.ts";
import type { GuestState, NicFilter, NicFilterState, NicState } from "../model/state.ts";

/** What became of a guest and its nics. */
export function guestState(
  guest: Guest,
  nics: readonly NicIntent[],
  world: FilterWorld,
): GuestState {
  const references = new Map(guest.nics.map(({ mac, filterRef }) => [mac, filterRef]));
  return {
    name: guest.name,
    groups: nics[0]?.groups ?? [],
    nics: nics.map((nic) => nicState(nic, references.get(nic.mac), world)),
  };
}

function nicState(
  { guest: _guest, groups: _groups, filter, offBridge, leased = [], ...nic }: NicIntent,
  theirs: Nic["filterRef"],
  world: FilterWorld,
): NicState {
  return {
    ...nic,
    ...(filter && {
      filter: {
        ...filterState(filter, offBridge, world),
        ...(leased.length > 0 && { leased }),
      },
    }),
    ...(theirs && { libvirtFilter: nicFilter(theirs) }),
  };
}

const nicFilter = remembered(
  ({ filter, parameters }: Pick<FilterBinding, "filter" | "parameters">): NicFilter => ({
    name: filter,
    parameters: Object.fromEntries(parameters),
  }),
);

function filterState(
  binding: FilterBinding,
  offBridge: string | undefined,
  world: FilterWorld,
): NicFilterState {
  if (offBridge !== undefined) {
    return { ...nicFilter(binding), state: "open", reason: offBridge };
  }
  const [fault] = faultsOf(world, binding);
  return fault === undefined
    ? { ...nicFilter(binding), state: "enforced" }
    : { ...nicFilter(binding), state: "closed", reason: reasonOf(fault, binding, world) };
}

/** In short: `check` tells where. */
function reasonOf(
  fault: BindingFault,
  { filter }: FilterBinding,
  { brokenFilters }: FilterWorld,
): string {
  switch (fault.kind) {
    case "unknown-filter":
      return brokenFilters?.has(filter)
        ? "its definition is not in force"
        : "there is no such filter";
    case "broken-reference":
      return `it refers to ${fault.reference.filter}, which cannot be`;
    case "too-long":
      return "it has too many rules";
    case "unsupported":
      return fault.reason;
    case "learning":
      return `${quote(fault.value)} is no value for ${fault.variable}`;
    case "values":
      return fault.fault.kind === "missing"
        ? `no value for $${fault.fault.variable?.name ?? ""}`
        : `the values for ${fault.fault.attribute} do not fit`;
  }
}
