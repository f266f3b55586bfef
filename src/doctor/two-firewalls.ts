import type { XtablesListing } from "../ports/xtables.ts";
import type { Examination, Finding } from "./examination.ts";
import type { Facts } from "./facts.ts";

/** Two programs that each take themselves for the host's only firewall: each undoes or overrules what the other lets pass. */
export const twoFirewalls: Examination<Names> = {
  id: "two-firewalls",
  needs: ["saves", "tables", "firewalld", "units", "rulesetFiles"],
  examine(facts) {
    const saved = savers.filter((name) => isEnabled(facts, name));
    const managers = [
      { name: "firewalld", signs: firewalldSigns(facts), ending: disabling(["firewalld"]) },
      { name: "ufw", signs: ufwSigns(facts), ending: "ufw disable" },
      {
        name: "nftables.service",
        signs: enabled(facts, "nftables.service"),
        ending: disabling(["nftables"]),
      },
      {
        name: "saved iptables rules",
        signs: saved.flatMap((name) => enabled(facts, name)),
        ending: disabling(saved),
      },
    ].filter(({ signs }) => signs.length > 0);
    return [...rivals(managers), ...dockerPastUfw(facts)];
  },
};

type Names = "saves" | "tables" | "firewalld" | "units" | "rulesetFiles";

interface Manager {
  readonly name: string;
  /** Where it shows that it manages this host. */
  readonly signs: readonly string[];
  /** What ends that. */
  readonly ending: string;
}

/** Those of Debian and of Fedora that load saved rules at a boot. */
const savers = ["netfilter-persistent.service", "iptables.service", "ip6tables.service"];

function disabling(units: readonly string[]): string {
  return `systemctl disable --now ${units.map((name) => name.replace(/\.service$/, "")).join(" ")}`;
}

function rivals(managers: readonly Manager[]): readonly Finding[] {
  if (managers.length < 2) return [];
  const names = managers.map(({ name }) => name);
  return [
    {
      severity: "warning",
      message: `${names.join(" and ")} manage this host's firewall at once`,
      evidence: managers.map(({ name, signs }) => `${name}: ${signs.join(", ")}`),
      fix: { text: `keep one, and: ${managers.map(({ ending }) => ending).join(", or ")}` },
    },
  ];
}

function firewalldSigns({ firewalld, tables, units }: Pick<Facts, Names>): readonly string[] {
  const isThere = tables.some(({ family, name }) => family === "inet" && name === "firewalld");
  return [
    ...(firewalld === undefined ? [] : ["it runs"]),
    ...(isThere ? ["table inet firewalld"] : []),
    ...enabled({ units }, "firewalld.service"),
  ];
}

function ufwSigns({ saves, rulesetFiles }: Pick<Facts, Names>): readonly string[] {
  const settings = rulesetFiles.find(({ file }) => file.endsWith("/ufw.conf"));
  const isOn = settings !== undefined && /^\s*ENABLED\s*=\s*"?yes/im.test(settings.text);
  return [...rulesIn(saves, /^ufw6?-/), ...(isOn ? [`${settings.file}: ENABLED=yes`] : [])];
}

/** Docker rewrites the destination of what comes in for a container, so ufw's rules of input never see it (moby#4737). */
function dockerPastUfw(facts: Pick<Facts, Names>): readonly Finding[] {
  const ufw = ufwSigns(facts);
  const docker = rulesIn(facts.saves, /^DOCKER/);
  if (ufw.length === 0 || docker.length === 0) return [];
  return [
    {
      severity: "warning",
      message: "what Docker publishes is open whatever ufw says",
      evidence: [`ufw: ${ufw.join(", ")}`, `Docker: ${docker.join(", ")}`],
      fix: { text: "publish containers on 127.0.0.1, or deny in the chain DOCKER-USER" },
    },
  ];
}

/** Its chains that hold rules: switched off, ufw leaves them behind empty, with the jumps to them (0.36.2). */
function rulesIn(saves: readonly XtablesListing[], own: RegExp): readonly string[] {
  return saves.flatMap(({ command, tables }) =>
    tables.flatMap((table) => {
      const chain = table.chains.find(({ name, rules }) => own.test(name) && rules.length > 0);
      return chain === undefined ? [] : [`${command} -t ${table.name} ${chain.name}`];
    }),
  );
}

function enabled(facts: Pick<Facts, "units">, name: string): readonly string[] {
  return isEnabled(facts, name) ? [`${name} is enabled`] : [];
}

function isEnabled({ units: { units } }: Pick<Facts, "units">, name: string): boolean {
  return units.get(name)?.isEnabled === true;
}
