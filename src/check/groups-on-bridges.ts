import type { InterfaceName } from "../base/interface-name.ts";
import { quote } from "../base/quote.ts";
import type { Inventory } from "../model/inventory.ts";
import type { GuestPolicy, Policy } from "../model/policy.ts";
import { placedGuests } from "../model/placed-guests.ts";
import { breach } from "./law.ts";
import type { Law } from "./law.ts";

const namesTold = 3;
const remedy =
  "modprobe br_netfilter; sysctl -w net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1";

/** Groups judge in IP's filter, which frames from one port of a bridge to another cross only with br_netfilter. */
export const groupsOnBridges: Law = (policy, inventory) => {
  if (inventory.host.bridges?.filtered.length !== 0) return [];
  return bridgesOf(policy, inventory).flatMap(({ name, isBridged, guests, grouped }) => {
    const [first] = grouped;
    if (first === undefined || (guests.size < 2 && !isBridged)) return [];
    const names = grouped.slice(0, namesTold).map((guest) => quote(guest.name));
    const more = grouped.length > namesTold ? ` and ${grouped.length - namesTold} more` : "";
    const message = `the groups of ${names.join(", ")}${more} do not judge what stays on the bridge ${name}: br_netfilter is off`;
    return breach("warning", "GROUPS_ON_ONE_BRIDGE", { at: first.at, message, hint: remedy });
  });
};

interface Bridge {
  readonly name: InterfaceName;
  /** Its guests' traffic does not pass the host's routing at all. */
  readonly isBridged: boolean;
  readonly guests: Set<string>;
  readonly grouped: GuestPolicy[];
}

/** Those on which guests may reach each other. */
function bridgesOf(policy: Policy, inventory: Inventory): readonly Bridge[] {
  const bridges = new Map<InterfaceName, Bridge>();
  for (const { guest, written, nics } of placedGuests(policy, inventory)) {
    for (const { nic, network } of nics) {
      const name = network?.bridge ?? nic.bridge;
      const isBridged = network === undefined || network.forward === "bridge";
      const isApart = !isBridged && policy.networks.get(network.name)?.isolate === true;
      if (name === undefined || isApart) continue;
      const bridge = bridges.get(name) ?? { name, isBridged, guests: new Set(), grouped: [] };
      bridges.set(name, bridge);
      if (written && written.groups.length > 0 && !bridge.guests.has(guest.name)) {
        bridge.grouped.push(written);
      }
      bridge.guests.add(guest.name);
    }
  }
  return [...bridges.values()];
}
