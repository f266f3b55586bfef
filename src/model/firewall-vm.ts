import type { InterfaceName } from "../base/interface-name.ts";
import { networkNamed } from "./inventory-index.ts";
import type { Inventory, Nic } from "./inventory.ts";
import type { FirewallVm, Policy } from "./policy.ts";

/** Who forwards in this host's place, where the topology says so. */
export function firewallOf({ host }: Policy): FirewallVm | undefined {
  return host.topology === "firewall-vm" ? host.firewallVm : undefined;
}

/** The bridge that carries a nic, whether its own XML names it or its network's. */
export function bridgeOf(
  nic: Pick<Nic, "bridge" | "network">,
  inventory: Inventory,
): InterfaceName | undefined {
  return nic.bridge ?? networkNamed(inventory, nic.network)?.bridge;
}
