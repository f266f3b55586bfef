import { familyOf, formatAddressRange } from "../base/address.ts";
import { quote } from "../base/quote.ts";
import { shellWord } from "../base/shell-word.ts";
import type { Network } from "../model/inventory.ts";
import { breach } from "./law.ts";
import type { Law } from "./law.ts";

/** What is translated is a network's own addresses, `nat` belongs to a network that is, and its address to a family that the network has. */
export const sensibleNat: Law = (policy, { networks }) =>
  networks.flatMap((network) => {
    const wanted = policy.networks.get(network.name);
    if (wanted?.mode === "nat" && network.subnets.length === 0 && isRouted(network)) {
      const message = `libvirt knows no address of network ${quote(network.name)}: mode nat rewrites nothing`;
      const hint = `virsh net-edit ${shellWord(network.name)}: <ip address='...' prefix='24'/>`;
      return breach("warning", "NAT_WITHOUT_SUBNET", { at: wanted.at, message, hint });
    }
    if (wanted?.nat === undefined) return [];
    const { at, addresses } = wanted.nat;
    const name = quote(network.name);
    const mode = wanted.mode ?? network.forward;
    if (mode !== "nat") {
      const message = `network ${name} is not translated (mode ${mode}): 'nat' does nothing`;
      return breach("warning", "NAT_UNUSED", { at, message, hint: "write mode: nat" });
    }
    if (addresses === undefined) return [];
    const family = familyOf(addresses.first);
    if (network.subnets.some(({ prefix }) => prefix.family === family)) return [];
    const message = `${formatAddressRange(addresses)} serves nobody: network ${name} has no IPv${family} subnet`;
    return breach("warning", "NAT_FAMILY", { at, message });
  });

function isRouted({ forward }: Network): boolean {
  return forward !== "bridge" && forward !== "other";
}
