import { kernelFeatures, type KernelFeature } from "../../ports/host-facts.ts";
import { KernelError } from "../../ports/kernel.ts";
import { refusal, runNft } from "./run-nft.ts";

const filterChain = "add chain inet probe c { type filter hook forward priority 0; }";
const inet = (...lines: readonly string[]) => ["add table inet probe", filterChain, ...lines];
const rule = (statements: string) => inet(`add rule inet probe c ${statements}`);

/** What needs the feature, and little else. */
const probes: Readonly<Record<KernelFeature, readonly string[]>> = {
  "inet tables": inet(),
  "bridge tables": [
    "add table bridge probe",
    "add chain bridge probe c { type filter hook forward priority 0; }",
  ],
  "connection states": rule("ct state established accept"),
  nat: [
    "add table inet probe",
    "add chain inet probe c { type nat hook postrouting priority 0; }",
    "add rule inet probe c masquerade",
    "add chain inet probe d { type nat hook prerouting priority 0; }",
    "add rule inet probe d meta nfproto ipv4 dnat ip to 192.0.2.1",
  ],
  reject: rule("reject with icmpx admin-prohibited"),
  log: rule('log prefix "probe "'),
  limits: rule("limit rate 1/second accept"),
  "limits per address": inet(
    "add set inet probe s { type ipv4_addr; flags dynamic; size 16; }",
    "add rule inet probe c update @s { ip saddr limit rate 1/second }",
  ),
  "sets of ranges in several fields": inet(
    "add set inet probe s { type ipv4_addr . inet_service; flags interval; }",
    "add element inet probe s { 192.0.2.0/24 . 1-9 }",
  ),
};

/** Tried, and not made: the kernel loads the module that a rule needs for a trial too. */
export async function readKernelFeatures(): Promise<ReadonlyMap<KernelFeature, boolean>> {
  const found = new Map<KernelFeature, boolean>();
  for (const feature of kernelFeatures) {
    const input = `${probes[feature].join("\n")}\n`;
    const result = await runNft(["--check", "-f", "-"], { input });
    if (/Operation not permitted|syntax error/.test(result.stderr)) {
      throw new KernelError(refusal(result, "nft --check").message);
    }
    found.set(feature, result.status === 0);
  }
  return found;
}
