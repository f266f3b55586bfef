import type { KernelFeature } from "../ports/host-facts.ts";
import type { Examination } from "./examination.ts";

/** The kernel's own names of what is missing (net/netfilter/Kconfig, Linux 6.12). */
const options: Readonly<Record<KernelFeature, string>> = {
  "inet tables": "NF_TABLES_INET",
  "bridge tables": "NF_TABLES_BRIDGE",
  "connection states": "NFT_CT",
  nat: "NFT_NAT, NFT_MASQ",
  reject: "NFT_REJECT",
  log: "NFT_LOG",
  limits: "NFT_LIMIT",
  "limits per address": "NFT_LIMIT, dynamic sets",
  "sets of ranges in several fields": "nft_set_pipapo, Linux 5.6",
};

/** What rules of ours are made of, whatever the policy. */
export const kernelFeaturesThere: Examination<"features"> = {
  id: "kernel-features",
  needs: ["features"],
  examine: ({ features }) =>
    [...features]
      .filter(([, isThere]) => !isThere)
      .map(([feature]) => ({
        severity: "error",
        message: `this kernel has no ${feature}`,
        evidence: [`nft --check refuses a rule that needs it (${options[feature]})`],
        fix: { text: `use a kernel with ${options[feature]}, as those of distributions are` },
      })),
};
