import type { LibvirtFacts } from "../ports/host-facts.ts";
import type { MendingStep } from "../ports/mender.ts";
import { planNftRemoval } from "../reconcile/libvirt-tables.ts";
import { planLibvirtRemoval } from "../xtables/libvirt-rules.ts";
import type { Examination, Finding } from "./examination.ts";
import type { Facts } from "./facts.ts";
import { backendOf, noLibvirt, versionText } from "./libvirt-version.ts";

/** What libvirt wrote with the backend that it has no more: nobody renews it, and its rejects go on deciding. */
export const libvirtLeftovers: Examination<"libvirt" | "saves"> = {
  id: "libvirt-leftovers",
  needs: ["libvirt", "saves"],
  examine({ libvirt, saves }) {
    if (libvirt === undefined) return noLibvirt;
    const iptables = inIptables(saves);
    const nftables = inNftables(libvirt);
    const used = backendOf(libvirt);
    if (used === "nftables") return iptables ? [finding(iptables, libvirt)] : [];
    if (used === "iptables") return nftables ? [finding(nftables, libvirt)] : [];
    return iptables && nftables ? [undecided([iptables, nftables], libvirt)] : [];
  },
};

interface Leftovers {
  readonly backend: "iptables" | "nftables";
  readonly evidence: readonly string[];
  readonly steps: readonly MendingStep[];
}

function inIptables(saves: Facts["saves"]): Leftovers | undefined {
  const steps = saves.flatMap(({ command, tables }): MendingStep[] => {
    const { script } = planLibvirtRemoval(tables);
    return script === "" ? [] : [{ kind: "iptables", command, script }];
  });
  const evidence = saves.flatMap(({ command, tables }) =>
    tables.flatMap(({ name, chains }) =>
      chains
        .filter((chain) => chain.name.startsWith("LIBVIRT_"))
        .map((chain) => `${command} -t ${name}: chain ${chain.name}`),
    ),
  );
  return steps.length === 0 ? undefined : { backend: "iptables", evidence, steps };
}

function inNftables({ tables }: LibvirtFacts): Leftovers | undefined {
  const { script, removed, left } = planNftRemoval(tables);
  const steps: MendingStep[] = script === "" ? [] : [{ kind: "nft", script }];
  const evidence = [...removed, ...left];
  return evidence.length === 0 ? undefined : { backend: "nftables", evidence, steps };
}

function finding({ backend, evidence, steps }: Leftovers, libvirt: LibvirtFacts): Finding {
  const used = backend === "iptables" ? "nftables" : "iptables";
  return {
    severity: "warning",
    message: `libvirt uses ${used}, and rules of its ${backend} backend are still there`,
    evidence: [`${versionText(libvirt)} with firewall_backend ${used}`, ...evidence],
    fix: {
      text: `virtwall migrate --to ${used}, which removes what is left of ${backend}`,
      ...(steps.length > 0 && { steps }),
    },
  };
}

function undecided(kinds: readonly Leftovers[], libvirt: LibvirtFacts): Finding {
  return {
    severity: "warning",
    message: "there are rules of both of libvirt's backends, and which one it uses is not known",
    evidence: [versionText(libvirt), ...kinds.flatMap(({ evidence }) => evidence)],
    fix: { text: "say firewall_backend in /etc/libvirt/network.conf, and restart libvirt" },
  };
}
