import { quote } from "../base/quote.ts";
import type { Network } from "../model/inventory.ts";
import { restartLibvirt } from "../model/restart-libvirt.ts";
import type { LibvirtFacts } from "../ports/host-facts.ts";
import { ruledNetworks, unruled } from "../reconcile/libvirt-backend.ts";
import { optionOf } from "../xtables/save.ts";
import type { Examination, Finding } from "./examination.ts";
import type { Facts } from "./facts.ts";
import { backendOf, noLibvirt, versionText } from "./libvirt-version.ts";

/**
 * libvirt's own rules for a network that runs are gone: another program has flushed them, and libvirt does not look. With its nftables
 * backend (10.4 to 12.8) a restart deletes by stale handles what it has just made for other networks, and only the next one is right.
 */
export const libvirtRules: Examination<"libvirt" | "saves" | "desired"> = {
  id: "libvirt-rules",
  needs: ["libvirt", "saves", "desired"],
  examine({ libvirt, saves, desired }) {
    if (libvirt === undefined) return noLibvirt;
    const { networks } = desired.inventory;
    const flushed = new Set(unruled(libvirt.tables, "nftables", networks));
    return ruledNetworks(networks)
      .filter(({ name, bridge }) => flushed.has(name) && !isInIptables(bridge, saves))
      .map((network) => finding(network, libvirt));
  },
};

/** Each network has a rule there that rejects what was not let in to its guests (11.3 network_iptables.c). */
function isInIptables(bridge: string, saves: Facts["saves"]): boolean {
  return saves.some(({ tables }) =>
    tables.some(({ chains }) =>
      chains.some(
        ({ name, rules }) =>
          name === "LIBVIRT_FWI" && rules.some((rule) => optionOf(rule, "-o") === bridge),
      ),
    ),
  );
}

function finding(
  { name, bridge }: Pick<Network, "name" | "bridge">,
  libvirt: LibvirtFacts,
): Finding {
  const isTwice = backendOf(libvirt) !== "iptables";
  const restart = restartLibvirt.networks;
  return {
    severity: "warning",
    message: `libvirt's own rules for its network ${quote(name)} are gone`,
    evidence: [`${versionText(libvirt)}: neither LIBVIRT_FWI nor libvirt_network knows ${bridge}`],
    fix: {
      text: isTwice
        ? `${restart}, twice: the first time it removes rules of other networks`
        : restart,
    },
  };
}
