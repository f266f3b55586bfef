import { prefixContains } from "../base/address.ts";
import { quote } from "../base/quote.ts";
import type { Network, Subnet } from "../model/inventory.ts";
import type { HostLink } from "../ports/host-facts.ts";
import type { Examination, Finding } from "./examination.ts";
import { shellWord } from "../base/shell-word.ts";

/** The host is the router of a network: its bridge is there and holds the addresses by which guests reach the host and the world. */
export const networkBridges: Examination<"links" | "desired"> = {
  id: "network-bridges",
  needs: ["links", "desired"],
  examine: ({ links, desired }) =>
    desired.inventory.networks.flatMap((network) => {
      if (network.bridge === undefined || network.forward === "bridge") return [];
      const link = links.find(({ name }) => name === network.bridge);
      return link === undefined ? [missing(network)] : withoutAddress(network, link);
    }),
};

function missing({ name, bridge }: Network): Finding {
  return {
    severity: "error",
    message: `libvirt's network ${quote(name)} runs, and its bridge is not there`,
    evidence: [`ip link show ${bridge ?? ""}: there is none`],
    fix: { text: `virsh net-destroy ${shellWord(name)}; virsh net-start ${shellWord(name)}` },
  };
}

function withoutAddress({ name, subnets }: Network, link: HostLink): readonly Finding[] {
  const held = new Set(link.addresses.map(({ address }) => address));
  const isHeld = ({ gateway, prefix }: Subnet) =>
    held.has(gateway) || !prefixContains(prefix, gateway);
  return subnets
    .filter((subnet) => !isHeld(subnet))
    .map(({ gateway, prefix }) => ({
      severity: "error",
      message: `the bridge of network ${quote(name)} has lost its address ${gateway}`,
      evidence: [`ip address show ${link.name}: no ${gateway}`],
      fix: { text: `ip address add ${gateway}/${prefix.length} dev ${link.name}` },
    }));
}
