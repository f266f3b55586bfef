import { dockerNft } from "../../world/foreign/rulesets.ts";
import { libvirtIptables, libvirtNftables, rulesetFiles } from "../foreign-rulesets.ts";

/** A ruleset of another program, with the traced host's interfaces and networks in place of its own. */
export interface Recorded {
  readonly title: string;
  /** As nft takes it. */
  readonly nft?: string;
  /** As iptables-restore takes it, and the variant that is to. */
  readonly iptables?: readonly [program: "iptables-nft" | "iptables-legacy", text: string];
}

const libvirt = libvirtIptables.replaceAll("virbr20", "br0").replaceAll("10.20.0.0", "10.0.3.0");

export const recorded: readonly Recorded[] = [
  {
    title: "libvirt's nftables backend",
    nft: libvirtNftables.replaceAll('"lo"', '"br0"').replaceAll("10.30.0.0", "10.0.3.0"),
  },
  { title: "libvirt's iptables backend", iptables: ["iptables-nft", libvirt] },
  {
    title: "libvirt's iptables backend, on iptables-legacy",
    iptables: ["iptables-legacy", libvirt],
  },
  {
    title: "Docker's nftables backend",
    nft: dockerNft
      .replaceAll("delete table ip docker-bridges\n", "")
      .replaceAll("bridge1", "br0")
      .replaceAll("192.0.2.", "10.0.3."),
  },
  ...Object.entries(rulesetFiles).map(([name, nft]) => ({
    title: `a host's own, in the manner of ${name}`,
    nft,
  })),
];
