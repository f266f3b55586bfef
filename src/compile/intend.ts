import type { InterfaceName } from "../base/interface-name.ts";
import type { Intent, NicIntent } from "../model/intent.ts";
import type { Guest, Inventory, Nic } from "../model/inventory.ts";
import type { Policy } from "../model/policy.ts";
import { addressesOf } from "./addresses.ts";
import { intendNetworks } from "./intend-networks.ts";
import { intendPublications, type IntendedPublication } from "./intend-publications.ts";

export interface Intended {
  readonly intent: Intent;
  readonly publications: readonly IntendedPublication[];
}

/** Brings policy and inventory together. Names that do not resolve are skipped: the check room has told them. */
export function intend(policy: Policy, inventory: Inventory): Intended {
  const networks = intendNetworks(policy, inventory);
  const nics = inventory.guests.flatMap((guest) =>
    guest.nics.map((nic) => intendNic(guest, nic, policy, inventory)),
  );
  const publications = intendPublications(policy, inventory, { networks, nics });
  const bridges = new Set(networks.map((network) => network.bridge));
  return {
    publications,
    intent: {
      mark: policy.host.mark,
      networks,
      nics,
      foreignTaps: foreignTaps(inventory, bridges),
      publications: publications.flatMap((publication) => publication.intents),
      aliases: policy.aliases,
      groups: policy.groups,
    },
  };
}

function intendNic(guest: Guest, nic: Nic, policy: Policy, inventory: Inventory): NicIntent {
  const bridge =
    nic.bridge ?? inventory.networks.find((network) => network.name === nic.network)?.bridge;
  const groups = (policy.guests.get(guest.name)?.groups ?? [])
    .map((group) => group.name)
    .filter((name) => policy.groups.has(name));
  return {
    guest: guest.name,
    mac: nic.mac,
    ...(nic.tap !== undefined && { tap: nic.tap }),
    ...(nic.network !== undefined && { network: nic.network }),
    ...(bridge !== undefined && { bridge }),
    addresses: addressesOf(guest, nic, policy, inventory),
    groups: [...new Set(groups)].toSorted(),
  };
}

function foreignTaps(inventory: Inventory, bridges: ReadonlySet<InterfaceName>): InterfaceName[] {
  return inventory.host.interfaces
    .filter(({ kind, master }) => kind === "tun" && master !== undefined && !bridges.has(master))
    .map(({ name }) => name);
}
