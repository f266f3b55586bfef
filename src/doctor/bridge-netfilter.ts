import { quote } from "../base/quote.ts";
import type { Problem } from "../model/problem.ts";
import type { ForeignTable } from "../ports/kernel.ts";
import type { XtablesListing } from "../ports/xtables.ts";
import type { SavedRule } from "../xtables/save.ts";
import type { Examination, Finding } from "./examination.ts";
import type { Facts } from "./facts.ts";
import { settingText, sysctlText, type WantedSetting } from "./settings.ts";

const paths = ["iptables", "ip6tables"].map((name) => `net/bridge/bridge-nf-call-${name}`);

/**
 * br_netfilter leads frames from one port of a bridge to another through the rules of IP. Groups and filters that ask for a connection's
 * state may need it; and where it is on, firewalls of the host that know nothing of bridges drop what only crosses one.
 */
export const bridgeNetfilter: Examination<Names> = {
  id: "bridge-netfilter",
  needs: ["settings", "foreign", "saves", "desired", "problems"],
  examine: (facts) => [...neededAndOff(facts), ...onAndDropping(facts)],
};

type Names = "settings" | "foreign" | "saves" | "desired" | "problems";

function neededAndOff({ settings, desired, problems }: Pick<Facts, Names>): readonly Finding[] {
  const off = paths.filter((path) => settings.get(path) !== "1");
  const needs = problems.filter((problem) => isNeed(problem, desired));
  if (off.length === 0 || needs.length === 0) return [];
  const wanted = paths.map((path): WantedSetting => ({ path, value: "1" }));
  return [
    {
      severity: "error",
      message: "policy needs to see connections on bridges, and br_netfilter does not show them",
      evidence: [
        ...off.map((path) => settingText(settings, path)),
        ...needs.map(({ code, message }) => `${code}: ${message}`),
      ],
      // Afterwards every firewall of the host judges bridged frames too: whether it may, only its owner knows.
      fix: { text: `modprobe br_netfilter; ${sysctlText(wanted)}` },
    },
  ];
}

function isNeed({ code }: Problem, { compiled }: Facts["desired"]): boolean {
  const isFilter = code === "FILTER_NOT_ENFORCEABLE" && compiled.intent.bridgeTracking === "none";
  return isFilter || code === "GROUPS_ON_ONE_BRIDGE";
}

function onAndDropping({
  settings,
  foreign,
  saves,
  desired,
}: Pick<Facts, Names>): readonly Finding[] {
  const bridged = desired.compiled.intent.networks.filter(({ mode }) => mode === "bridge");
  const on = paths.filter((path) => settings.get(path) === "1");
  const native = foreign.flatMap((table) => nativeDrops(table, saves));
  const drops = [...native, ...saves.flatMap(xtablesDrops)];
  if (bridged.length === 0 || on.length === 0 || drops.length === 0) return [];
  const wanted = on.map((path): WantedSetting => ({ path, value: "0" }));
  const names = bridged.map(({ name }) => quote(name)).join(", ");
  return [
    {
      severity: "warning",
      message: `frames that only cross the bridge of ${names} meet rules that drop what is forwarded`,
      evidence: [...on.map((path) => settingText(settings, path)), ...drops],
      // Docker and Kubernetes count on it, and so may filters and groups.
      fix: {
        text: `${sysctlText(wanted)}, or: iptables -I FORWARD -m physdev --physdev-is-bridged -j ACCEPT`,
      },
    },
  ];
}

/** Chains whose policy drops: what a single rule drops may be meant. Those that iptables lists it tells more of. */
function nativeDrops(
  { family, name, chains }: ForeignTable,
  saves: readonly XtablesListing[],
): readonly string[] {
  const isIp = family === "ip" || family === "ip6" || family === "inet";
  const command = family === "ip" ? "iptables" : "ip6tables";
  const isListed = saves.some(
    (save) => save.command === command && save.tables.some((table) => table.name === name),
  );
  if (!isIp || (family !== "inet" && isListed)) return [];
  return chains
    .filter(({ hook, policy }) => hook === "forward" && policy === "drop")
    .map((chain) => `${family} ${name} ${chain.name}: policy drop`);
}

function xtablesDrops({ command, tables }: XtablesListing): readonly string[] {
  return tables.flatMap((table) =>
    table.chains
      .filter(({ name, policy }) => name === "FORWARD" && policy === "DROP")
      .filter(({ rules }) => !rules.some(passesBridged))
      .map(({ name }) => `${command} -t ${table.name} ${name}: policy DROP`),
  );
}

function passesBridged(rule: SavedRule): boolean {
  return rule.words.join(" ") === "-m physdev --physdev-is-bridged -j ACCEPT";
}
