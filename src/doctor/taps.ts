import { restartLibvirt } from "../model/restart-libvirt.ts";
import { planLinks } from "../reconcile/plan-links.ts";
import type { Examination, Finding } from "./examination.ts";

/** Taps of running guests that are in no bridge: `virsh net-destroy` and `net-start` leave them so. */
export const taps: Examination<"desired"> = {
  id: "taps",
  needs: ["desired"],
  examine({ desired }) {
    const { taps: stray, leftAlone } = planLinks(desired.inventory);
    const findings = (ports: typeof stray, fix: (port: (typeof stray)[number]) => Finding["fix"]) =>
      ports.map((port): Finding => ({
        severity: "error",
        message: `the tap ${port.tap} of a running guest is in no bridge`,
        evidence: [`ip link show ${port.tap}: no master; its network has ${port.bridge}`],
        fix: fix(port),
      }));
    return [
      ...findings(stray, ({ tap, bridge }) => ({
        text: `ip link set ${tap} master ${bridge}`,
        steps: [{ kind: "port", tap, bridge }],
      })),
      // libvirt sets such a port up as its XML says, and does so at its start.
      ...findings(leftAlone, () => ({ text: restartLibvirt.guests })),
    ];
  },
};
