import { familyOf } from "../base/address.ts";
import { quote } from "../base/quote.ts";
import type { Network } from "../model/inventory.ts";
import type { NicIntent } from "../model/intent.ts";
import { optionOf, type SavedRule } from "../xtables/save.ts";
import type { Examination, Finding } from "./examination.ts";
import type { Facts } from "./facts.ts";
import { backendOf, isBefore, versionText } from "./libvirt-version.ts";

/**
 * What dnsmasq answers leaves the host with half a checksum, which the nic of a virtual machine passes on as it is. Most DHCP clients are
 * told so by their kernel; those that read frames by themselves and check them (FreeBSD's, mended by its PR 263229) drop it.
 * libvirt has it filled in, but not in open networks, and not with its nftables backend before 10.10.
 */
export const dhcpChecksum: Examination<Names> = {
  id: "dhcp-checksum",
  needs: ["libvirt", "saves", "desired"],
  examine(facts) {
    const { networks } = facts.desired.inventory;
    return networks
      .filter(({ hasDhcp, bridge }) => hasDhcp && !isFilled(bridge, facts.saves))
      .flatMap((network) => {
        const reason = unfilled(network, facts);
        const nics = facts.desired.compiled.intent.nics.filter((nic) => isWithout(nic, network));
        return reason === undefined || nics.length === 0 ? [] : [finding(network, reason, nics)];
      });
  },
};

type Names = "libvirt" | "saves" | "desired";

/** Why libvirt does not do it. */
function unfilled({ forward }: Network, { libvirt }: Pick<Facts, Names>): string | undefined {
  if (forward === "open") return "libvirt makes no rules for an open network";
  const isOld =
    libvirt !== undefined &&
    backendOf(libvirt) === "nftables" &&
    isBefore(libvirt.version, [10, 10]);
  return isOld ? `${versionText(libvirt)} with firewall_backend nftables` : undefined;
}

function isFilled(bridge: string | undefined, saves: Facts["saves"]): boolean {
  return saves.some(({ tables }) =>
    tables.some(({ name, chains }) => {
      const rules = chains.find((chain) => chain.name === "POSTROUTING")?.rules ?? [];
      return name === "mangle" && rules.some((rule) => fills(rule, bridge));
    }),
  );
}

function fills(rule: SavedRule, bridge: string | undefined): boolean {
  const [device, port] = ["-o", "--dport"].map((option) => optionOf(rule, option));
  return (
    optionOf(rule, "-j") === "CHECKSUM" &&
    (device === undefined || device === bridge) &&
    (port === undefined || port === "68")
  );
}

/** It runs, and has no address of IPv4. */
function isWithout(nic: NicIntent, { bridge }: Network): boolean {
  const isThere = nic.tap !== undefined && nic.bridge === bridge;
  return isThere && !nic.addresses.some(({ address }) => familyOf(address) === 4);
}

function finding({ name, bridge, at }: Network, reason: string, nics: readonly NicIntent[]) {
  const rule = `-o ${bridge ?? ""} -p udp --dport 68 -j CHECKSUM --checksum-fill`;
  return {
    severity: "warning",
    message: `nobody fills in checksums of DHCP answers in ${quote(name)}, and a guest there has no lease: old clients drop such answers`,
    evidence: [
      `${at.file}: <dhcp>; ${reason}`,
      ...nics.map(({ guest, mac }) => `nic ${mac} of guest ${quote(guest)} has no lease`),
    ],
    fix: { text: `iptables -t mangle -A POSTROUTING ${rule}` },
  } satisfies Finding;
}
