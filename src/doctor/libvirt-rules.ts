import { quote } from "../base/quote.ts";
import type { Network } from "../model/inventory.ts";
import type { LibvirtFacts } from "../ports/host-facts.ts";
import { optionOf } from "../xtables/save.ts";
import type { Examination, Finding } from "./examination.ts";
import type { Facts } from "./facts.ts";
import { backendOf, noLibvirt, versionText } from "./libvirt-backend.ts";

/**
 * libvirt's own rules for a network that runs are gone: another program has flushed them, and libvirt does not look. With its nftables
 * backend (10.4 to 12.8) a restart deletes by stale handles what it has just made for other networks, and only the next one is right.
 */
export const libvirtRules: Examination<Names> = {
  id: "libvirt-rules",
  needs: ["libvirt", "saves", "desired"],
  examine({ libvirt, saves, desired }) {
    if (libvirt === undefined) return noLibvirt;
    return desired.inventory.networks
      .filter((network) => isManaged(network) && !hasRules(network, { libvirt, saves }))
      .map((network) => finding(network, libvirt));
  },
};

type Names = "libvirt" | "saves" | "desired";

interface Rules extends Pick<Facts, "saves"> {
  readonly libvirt: LibvirtFacts;
}

function isManaged({ forward, bridge }: Network): boolean {
  return bridge !== undefined && ["nat", "route", "isolated"].includes(forward);
}

/** Every network that libvirt manages has one rule that rejects what is for its guests and was not let in (11.3 network_*.c). */
function hasRules({ bridge }: Network, { libvirt, saves }: Rules): boolean {
  const isInIptables = saves.some(({ tables }) =>
    tables.some(({ chains }) =>
      chains.some(
        ({ name, rules }) =>
          name === "LIBVIRT_FWI" &&
          rules.some(
            (rule) => optionOf(rule, "-o") === String(bridge) && optionOf(rule, "-j") === "REJECT",
          ),
      ),
    ),
  );
  const isInNftables = libvirt.listing
    .split("\n")
    .some((line) => line.includes(`oif "${String(bridge)}"`) && line.includes(" reject"));
  return isInIptables || isInNftables;
}

function finding({ name, bridge }: Network, libvirt: LibvirtFacts): Finding {
  const isTwice = backendOf(libvirt) !== "iptables";
  const restart = "systemctl restart virtnetworkd (or libvirtd)";
  return {
    severity: "warning",
    message: `libvirt's own rules for its network ${quote(name)} are gone`,
    evidence: [
      `${versionText(libvirt)}: neither LIBVIRT_FWI nor libvirt_network has a reject for ${String(bridge)}`,
    ],
    fix: {
      text: isTwice
        ? `${restart}, twice: the first time it removes rules of other networks`
        : restart,
    },
  };
}
