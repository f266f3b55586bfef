import type { Unit } from "../ports/host-facts.ts";
import type { Examination, Finding } from "./examination.ts";

const ours = "virtwall.service";
const libvirts = ["libvirtd.service", "virtqemud.service", "virtnetworkd.service"] as const;

/** The rules stand before libvirt starts its first guest, at every boot. */
export const bootOrder: Examination<"units"> = {
  id: "boot-order",
  needs: ["units"],
  examine({ units: { isBooted, units } }) {
    if (!isBooted) return { reason: "systemd does not run here" };
    const own = units.get(ours);
    if (own === undefined) return [missing];
    return [...ofEnabling(own), ...ofOrder(own, units)];
  },
};

const missing: Finding = {
  severity: "warning",
  message: "nobody starts virtwall at boot",
  evidence: [`there is no ${ours}`],
  fix: { text: `write ${ours} as docs/commands.md has it; systemctl enable ${ours}` },
};

function ofEnabling({ file, isEnabled }: Unit): readonly Finding[] {
  if (isEnabled) return [];
  return [
    {
      severity: "warning",
      message: "nobody starts virtwall at boot",
      evidence: [`${file} is not enabled`],
      fix: { text: `systemctl enable ${ours}` },
    },
  ];
}

function ofOrder(own: Unit, units: ReadonlyMap<string, Unit>): readonly Finding[] {
  return libvirts.flatMap((name): Finding[] => {
    const unit = units.get(name);
    if (unit === undefined || own.before.includes(name) || unit.after.includes(ours)) return [];
    return [
      {
        severity: "warning",
        message: `${name} may start guests before virtwall has its rules in place`,
        evidence: [
          `${own.file}: Before= does not name ${name}`,
          `${unit.file}: After= does not name ${ours}`,
        ],
        fix: { text: `systemctl edit ${ours}: [Unit] Before=${name}` },
      },
    ];
  });
}
