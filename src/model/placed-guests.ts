import { familyOf, parseAddress, type Address } from "../base/address.ts";
import { remembered, rememberedWhile } from "../base/remembered.ts";
import { bindingOf, type FilterBinding } from "./filter-binding.ts";
import { learningMode } from "./filter-learning.ts";
import type { FilterParameters } from "./filter.ts";
import type { NicAddress } from "./intent.ts";
import type { Guest, Inventory, Network, Nic } from "./inventory.ts";
import { currentLeases, networkOf } from "./inventory-index.ts";
import { addressesOf } from "./nic-addresses.ts";
import { offBridge } from "./off-bridge.ts";
import type { GuestPolicy, Policy } from "./policy.ts";

/**
 * A guest, with all that policy, networks, leases and the host say of it. The same object as long as all of that is the same: what
 * follows from one guest is remembered by it.
 */
export interface PlacedGuest {
  readonly guest: Guest;
  /** What the policy says of it. */
  readonly written: GuestPolicy | undefined;
  readonly nics: readonly PlacedNic[];
}

export interface PlacedNic {
  readonly nic: Nic;
  readonly network: Network | undefined;
  readonly addresses: readonly NicAddress[];
  readonly binding: FilterBinding | undefined;
  /** See `NicIntent`, as of the other. */
  readonly leased: readonly Address[] | undefined;
  /** Of a nic that is to be judged by a filter or by groups. */
  readonly offBridge: string | undefined;
}

/** In the order of the inventory. */
export function placedGuests(policy: Policy, inventory: Inventory): readonly PlacedGuest[] {
  return placedIn(inventory, policy);
}

const placedIn = rememberedWhile(
  (_inventory: Inventory, policy: Policy) => [policy],
  (inventory, policy) => inventory.guests.map(placeAmong(surroundingsOf(policy, inventory))),
);

/** All that a guest's place follows from. The same object as long as nothing of that changes, whatever guests there are. */
const surroundingsOf = rememberedWhile(
  (_policy: Policy, { guests, networks, leases, host, agentAddresses, neighbours }: Inventory) => {
    // What one guest claims may be another's.
    const claimants = agentAddresses?.length || neighbours?.length ? guests : undefined;
    return [networks, leases, host.interfaces, agentAddresses, neighbours, claimants];
  },
  (policy, inventory): Given => ({ policy, inventory }),
);

const placeAmong = remembered((given: Given) =>
  remembered((guest: Guest) => {
    const nics = guest.nics.map((nic) => placeNic(guest, nic, given));
    return placedGuest(guest, { written: given.policy.guests.get(guest.name), nics });
  }),
);

const placedGuest = rememberedWhile(
  (_guest: Guest, { written, nics }: Omit<PlacedGuest, "guest">) => [written, ...nics],
  (guest, { written, nics }): PlacedGuest => ({ guest, written, nics }),
);

interface Given {
  readonly policy: Policy;
  readonly inventory: Inventory;
}

function placeNic(guest: Guest, nic: Nic, given: Given): PlacedNic {
  const { policy, inventory } = given;
  const network = networkOf(nic, inventory);
  const binding = bindingOf(policy, guest, nic);
  const isJudged = binding !== undefined || policy.guests.get(guest.name)?.groups.length;
  return placedNic(nic, {
    network,
    addresses: addressesOf(guest, nic, given),
    binding,
    leased: binding && leasesFor(binding.parameters, { nic, network, inventory }),
    offBridge: isJudged ? offBridge(nic, inventory.host) : undefined,
  });
}

const placedNic = rememberedWhile(
  (_nic: Nic, { network, addresses, binding, leased, offBridge: why }: Omit<PlacedNic, "nic">) => [
    network,
    addresses,
    binding,
    leased?.join(),
    why,
  ],
  (nic, facts): PlacedNic => ({ nic, ...facts }),
);

/** By DHCPSERVER the operator says which servers may give addresses; libvirt's answers from the network's gateway. */
function leasesFor(
  parameters: FilterParameters,
  { nic, network, inventory }: { nic: Nic; network: Network | undefined; inventory: Inventory },
): Address[] {
  if (parameters.has("IP") || learningMode(parameters) !== "dhcp") return [];
  const servers = parameters.get("DHCPSERVER")?.map(parseAddress);
  const isServer = network?.subnets.some(({ gateway }) => servers?.includes(gateway));
  if (servers !== undefined && !isServer) return [];
  const leased = currentLeases(inventory, nic.mac, nic.bridge ?? network?.bridge);
  return leased.filter((address) => familyOf(address) === 4);
}
