import type { InterfaceName } from "../base/interface-name.ts";
import { nearest } from "../base/nearest.ts";
import { quote } from "../base/quote.ts";
import { shellWord } from "../base/shell-word.ts";
import { bridgeOf, firewallOf } from "../model/firewall-vm.ts";
import type { Inventory } from "../model/inventory.ts";
import type { FirewallVm } from "../model/policy.ts";
import type { Place, Problem } from "../model/problem.ts";
import { breach, didYouMean } from "./law.ts";
import type { Law } from "./law.ts";

/** What the topology names may come later, so what is missing is a warning: until then it is closed. */
export const firewallVmInPlace: Law = (policy, inventory) => {
  const firewall = firewallOf(policy);
  if (firewall === undefined) return [];
  const at = policy.host.keysAt?.get("firewallVm") ?? policy.host.at;
  return [
    ...bridgeProblems(firewall.wan, inventory, at),
    ...firewall.guests.flatMap((guest) => guestProblems({ ...firewall, guest }, inventory, at)),
    ...intruders(firewall, inventory),
    ...silenced(firewall, inventory),
    ...forwardingNetworks(firewall.wan, inventory),
  ];
};

function bridgeProblems(wan: InterfaceName, { host }: Inventory, at: Place): Problem[] {
  if (host.interfaces.length === 0) return [];
  const found = host.interfaces.find(({ name }) => name === wan);
  if (found === undefined) {
    const bridges = host.interfaces.filter(({ kind }) => kind === "bridge");
    const message = `the host has no bridge ${wan}`;
    const hint = didYouMean(
      nearest(
        wan,
        bridges.map(({ name }) => String(name)),
      ),
    );
    return [breach("warning", "UNKNOWN_WAN", { at, message, hint })];
  }
  if (found.kind !== "bridge") {
    const message = `${wan} is no bridge: the firewall guest's nic cannot be a port of it`;
    const hint =
      found.master === undefined
        ? `make ${wan} the port of a bridge, and name that: virtwall topology plan`
        : didYouMean(found.master);
    return [breach("error", "WAN_NO_BRIDGE", { at, message, hint })];
  }
  if (found.addresses.length === 0) return [];
  const message = `${wan} carries ${found.addresses.join(", ")} of the host: whoever is outside talks to the host there`;
  const hint = "virtwall topology plan shows how the host has its address elsewhere";
  return [breach("warning", "WAN_HAS_ADDRESS", { at, message, hint })];
}

/** Of one of those that stand in for each other. */
function guestProblems(
  { guest, guests, wan }: FirewallVm & { readonly guest: string },
  inventory: Inventory,
  at: Place,
): Problem[] {
  const found = inventory.guests.find(({ name }) => name === guest);
  if (found === undefined) {
    const names = inventory.guests.map(({ name }) => name);
    const others = guests.filter((name) => names.includes(name)).map(quote);
    const follows =
      others.length === 0
        ? "nobody forwards, and guests reach nobody outside"
        : `nobody stands in for ${others.join(" and ")}`;
    const message = `no guest ${quote(guest)} runs: ${follows}`;
    const meant = didYouMean(nearest(guest, names));
    const hint = meant ?? `virsh start ${shellWord(guest)}`;
    return [breach("warning", "FIREWALL_VM_ABSENT", { at, message, hint })];
  }
  const bridges = found.nics.map((nic) => bridgeOf(nic, inventory));
  const missing = [
    ...(bridges.includes(wan) ? [] : [`no nic on ${wan}`]),
    ...(bridges.some((bridge) => bridge !== undefined && bridge !== wan)
      ? []
      : [`no nic on another bridge than ${wan}`]),
  ];
  return missing.map((what) => {
    const message = `guest ${quote(guest)} has ${what}: it cannot forward`;
    const hint = `virsh attach-interface ${shellWord(guest)} bridge BRIDGE --model virtio --config --live`;
    return breach("warning", "FIREWALL_VM_NIC", { at, message, hint });
  });
}

function intruders({ guests, wan }: FirewallVm, inventory: Inventory): Problem[] {
  const owner = guests.map(quote).join(" and ");
  return inventory.guests
    .filter(({ name }) => !guests.includes(name))
    .flatMap(({ name, nics }) =>
      nics
        .filter((nic) => bridgeOf(nic, inventory) === wan)
        .map(({ mac, at }) => {
          const message = `nic ${mac} of guest ${quote(name)} is on ${wan}, which is for ${owner} alone: it passes nothing`;
          const hint = "put it on a bridge behind the firewall guest";
          return breach("warning", "NIC_ON_WAN", { at, message, hint });
        }),
    );
}

function silenced({ guests, macs }: FirewallVm, inventory: Inventory): Problem[] {
  return inventory.guests
    .filter(({ name }) => !guests.includes(name))
    .flatMap(({ name, nics }) =>
      nics
        .filter(({ mac }) => macs.includes(mac))
        .map(({ mac, at }) => {
          const message = `${mac} of guest ${quote(name)} is among the firewall guests' macs: beside them it passes nothing`;
          const hint = "host.firewallVm.macs has the MAC addresses that they share, and no nic's";
          return breach("warning", "FIREWALL_VM_MAC", { at, message, hint });
        }),
    );
}

function forwardingNetworks(wan: InterfaceName, { networks }: Inventory): Problem[] {
  return networks
    .filter(({ forward, bridge }) => bridge !== wan && /^(nat|route|open)$/.test(forward))
    .map(({ name, forward, at }) => {
      const message = `libvirt turns on forwarding for network ${quote(name)} (${forward}); in topology firewall-vm it reaches nobody by that`;
      const hint = `virsh net-edit ${shellWord(name)}: remove <forward>`;
      return breach("warning", "NETWORK_FORWARDS", { at, message, hint });
    });
}
