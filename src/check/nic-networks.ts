import type { Inventory, Network, Nic } from "../model/inventory.ts";

/** The libvirt network a nic stands in, by its name or by the bridge that carries the nic. */
export function networkOf(nic: Nic, inventory: Inventory): Network | undefined {
  return inventory.networks.find(
    (network) =>
      network.name === nic.network || (nic.bridge !== undefined && network.bridge === nic.bridge),
  );
}
