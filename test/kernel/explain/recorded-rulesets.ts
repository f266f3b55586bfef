import { readFileSync } from "node:fs";
import { dockerNft } from "../../world/foreign/rulesets.ts";
import { libvirtIptables, libvirtNftables, rulesetFiles } from "../foreign-rulesets.ts";

/** A ruleset of another program, with the traced host's interfaces and networks in place of its own. */
export interface Recorded {
  readonly title: string;
  /** As nft takes it. */
  readonly nft?: string;
  readonly iptables?: RecordedIptables;
}

export interface RecordedIptables {
  readonly backend: "nft" | "legacy";
  /** As iptables-restore and ip6tables-restore take it. */
  readonly v4: string;
  readonly v6?: string;
}

const libvirt = libvirtIptables.replaceAll("virbr20", "br0").replaceAll("10.20.0.0", "10.0.3.0");

const read = (name: string) => readFileSync(new URL(`recorded/${name}`, import.meta.url), "utf8");

const ofBothFamilies = (name: string) => ({
  v4: read(`${name}.iptables`),
  v6: read(`${name}.ip6tables`),
});

export const recorded: readonly Recorded[] = [
  {
    title: "libvirt's nftables backend",
    nft: libvirtNftables.replaceAll('"lo"', '"br0"').replaceAll("10.30.0.0", "10.0.3.0"),
  },
  ...(["nft", "legacy"] as const).flatMap((backend): Recorded[] => [
    {
      title: `libvirt's iptables backend, on iptables-${backend}`,
      iptables: { backend, v4: libvirt },
    },
    { title: `ufw on iptables-${backend}`, iptables: { backend, ...ofBothFamilies("ufw") } },
    { title: `Docker on iptables-${backend}`, iptables: { backend, ...ofBothFamilies("docker") } },
  ]),
  { title: "firewalld", nft: read("firewalld.nft") },
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
