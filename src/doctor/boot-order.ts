import type { Unit } from "../ports/host-facts.ts";
import type { Examination, Finding } from "./examination.ts";

const daemon = "virtwall.service";
/** Loads what was in force last, before there is any network. */
const early = "virtwall-early.service";
const gate = "virtwall-gate.service";
/** Those of libvirt's that start guests and networks, in one process or apart. */
const libvirts = [
  "libvirtd.service",
  "virtqemud.service",
  "virtnetworkd.service",
  "virtlxcd.service",
] as const;

type Units = ReadonlyMap<string, Unit>;

/** The rules stand before there is a network, and the daemon hears of libvirt's first guest, at every boot. */
export const bootOrder: Examination<"units"> = {
  id: "boot-order",
  needs: ["units"],
  examine({ units: { isBooted, units } }) {
    if (!isBooted) return { reason: "systemd does not run here" };
    const own = units.get(daemon);
    if (own === undefined) return [missing(daemon, "nobody starts virtwall at boot")];
    return [
      ...ofEnabling(own),
      ...libvirts.flatMap((name) => ofOrder({ name: daemon, unit: own }, name, units)),
      ...ofParts(own, units),
    ];
  },
};

function missing(name: string, message: string): Finding {
  const evidence = [`there is no ${name}, or it is masked`];
  const text = `systemctl unmask ${name}; or install virtwall's package anew`;
  return { severity: "warning", message, evidence, fix: { text } };
}

function ofEnabling({ file, isEnabled }: Unit): readonly Finding[] {
  if (isEnabled) return [];
  return [
    {
      severity: "warning",
      message: "nobody starts virtwall at boot",
      evidence: [`${file} is not enabled`],
      fix: { text: `systemctl enable ${daemon}` },
    },
  ];
}

interface Named {
  readonly name: string;
  readonly unit: Unit;
}

function ofOrder({ name, unit: own }: Named, later: string, units: Units): readonly Finding[] {
  const unit = units.get(later);
  if (unit === undefined || own.before.includes(later) || unit.after.includes(name)) return [];
  return [
    {
      severity: "warning",
      message: `${later} may start guests before virtwall knows of them`,
      evidence: [
        `${own.file}: Before= does not name ${later}`,
        `${unit.file}: After= does not name ${name}`,
      ],
      fix: { text: `systemctl edit ${name}: [Unit] Before=${later}` },
    },
  ];
}

/** What has to stand before the daemon can: the owner of the tables, and the rules of last time. */
function ofParts(own: Unit, units: Units): readonly Finding[] {
  return [gate, early].flatMap((name): readonly Finding[] => {
    const unit = units.get(name);
    if (unit === undefined) return [missing(name, losses[name] ?? "")];
    if (!unit.isEnabled && !own.wants.includes(name)) {
      const evidence = [`${unit.file} is not enabled, and ${own.file} does not want it`];
      const fix = { text: `systemctl enable ${name}` };
      return [{ severity: "warning", message: losses[name] ?? "", evidence, fix }];
    }
    return name === early ? ofEarly({ name, unit }, units) : [];
  });
}

const losses: Readonly<Record<string, string>> = {
  // The daemon starts one for itself then, which systemd ends with it.
  [gate]: "while virtwall's daemon restarts nobody owns its tables",
  [early]: "after a boot networks are up before virtwall has its rules in place",
};

/** nftables.service begins with `flush ruleset`, which takes what was loaded before it where the kernel knows no owner. */
function ofEarly({ name, unit }: Named, units: Units): readonly Finding[] {
  const flusher = units.get("nftables.service");
  const isFlushed =
    flusher?.isEnabled === true &&
    !unit.after.includes("nftables.service") &&
    !flusher.before.includes(name);
  const lacking = [
    ...(unit.before.includes("network-pre.target") ? [] : ["Before=network-pre.target"]),
    ...(isFlushed ? ["After=nftables.service"] : []),
  ];
  return lacking.map((line) => ({
    severity: "warning",
    message: line.startsWith("After")
      ? "nftables.service may flush the rules that virtwall loads at boot"
      : (losses[early] ?? ""),
    evidence: [`${unit.file} has no ${line}`],
    fix: { text: `systemctl edit ${name}: [Unit] ${line}` },
  }));
}
