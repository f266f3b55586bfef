import {
  firewalldName,
  type FirewalldFacts,
  type FirewalldPolicy,
  type FirewalldStep,
  type ZoneMembers,
} from "../ports/firewalld.ts";
import type { PassRuleReport } from "./pass-rules.ts";

export interface FirewalldPlan {
  /** Up to the next look: what a reload brings into force is not known before. */
  readonly steps: readonly FirewalldStep[];
  /** A line a bridge. */
  readonly report: readonly PassRuleReport[];
}

/** Ahead of what an admin orders at firewalld's own -1, as a pass rule stands ahead of its chain. */
const priority = -10_000;

type Zones = readonly string[];

/**
 * What firewalld is told: nothing of ours does anything by itself. The zone is empty and the policies speak of it alone until bridges
 * are bound and zones are added at run time, which is after our own tables stand; a host that boots without virtwall opens nothing.
 */
const policyMakers: Readonly<Record<string, (zones: Zones) => FirewalldPolicy>> = {
  [`${firewalldName}-in`]: (egress) => accept({ ingress: ["ANY"], egress }),
  [`${firewalldName}-out`]: (ingress) => accept({ ingress, egress: ["ANY"] }),
  [`${firewalldName}-to-host`]: (ingress) => accept({ ingress, egress: ["HOST"] }),
  [`${firewalldName}-from-host`]: (egress) => accept({ ingress: ["HOST"], egress }),
};

function accept(between: { ingress: Zones; egress: Zones }): FirewalldPolicy {
  return { ...between, target: "ACCEPT", priority };
}

/**
 * A bridge that nobody has put into a zone comes into ours. One that libvirt or the admin has put into a zone stays there, and the
 * zone joins our policies if nothing else is in it: else packets would pass that we have not judged.
 */
export function planFirewalld(facts: FirewalldFacts, bridges: readonly string[]): FirewalldPlan {
  const zoneOf = new Map(
    [...facts.active].flatMap(([zone, { interfaces }]) => interfaces.map((name) => [name, zone])),
  );
  const joined = [...facts.active]
    .filter(([zone, members]) => isGuestsOnly(facts, zone, { members, bridges }))
    .map(([zone]) => zone);
  const zones = [...new Set([firewalldName, ...joined])].toSorted();
  const isInForce =
    facts.zones.includes(firewalldName) &&
    Object.keys(policyMakers).every((name) => facts.policies.has(name));
  const later = bridges.length === 0 ? [] : [...planWriting(facts), { kind: "reload" } as const];
  const steps = isInForce
    ? [...planWriting(facts), ...planRunTime(facts, { zones, bridges, zoneOf })]
    : later;
  const report = bridges.map((bridge) => {
    const zone = zoneOf.get(bridge) ?? firewalldName;
    return judge(bridge, { zone, isOpen: zones.includes(zone), isDone: steps.length === 0 });
  });
  return { steps, report };
}

/** Everything of ours out of force and out of firewalld's files; after it a reload forgets the rest. */
export function planFirewalldRemoval(facts: FirewalldFacts): readonly FirewalldStep[] {
  const bound = facts.active.get(firewalldName)?.interfaces ?? [];
  const { hasZone, policies } = facts.permanent;
  return [
    ...bound.map((name) => ({ kind: "unbind", interface: name }) as const),
    ...planPolicies(facts, [firewalldName]),
    ...(hasZone || policies.size > 0 ? [{ kind: "delete all" } as const] : []),
    ...(facts.zones.includes(firewalldName) || facts.policies.size > 0
      ? [{ kind: "reload" } as const]
      : []),
  ];
}

/** The steps as an admin types them, in one line. */
export function typeFirewalld(steps: readonly FirewalldStep[]): string {
  return steps
    .flatMap(wordsOf)
    .map((words) => `firewall-cmd ${words}`)
    .join(" && ");
}

function wordsOf(step: FirewalldStep): readonly string[] {
  switch (step.kind) {
    case "add zone":
      return [`--permanent --new-zone=${firewalldName}`];
    case "write policy": {
      const { ingress, egress, target, priority: order } = step.policy;
      const at = `--permanent --policy=${step.name}`;
      return [
        `--permanent --new-policy=${step.name}`,
        ...addZones({ ingress, egress }).map((words) => `${at} ${words}`),
        `${at} --set-target=${target}`,
        `${at} --set-priority=${order}`,
      ];
    }
    case "set policy":
      return addZones(step.policy).map((words) => `--policy=${step.name} ${words}`);
    case "bind":
      return [`--zone=${firewalldName} --change-interface=${step.interface}`];
    case "unbind":
      return [`--zone=${firewalldName} --remove-interface=${step.interface}`];
    case "reload":
      return ["--reload"];
    case "delete all":
      return [];
  }
}

/** What is there already firewall-cmd passes over with a warning. */
function addZones({ ingress, egress }: Pick<FirewalldPolicy, "ingress" | "egress">): string[] {
  return [
    ...ingress.map((zone) => `--add-ingress-zone=${zone}`),
    ...egress.map((zone) => `--add-egress-zone=${zone}`),
  ];
}

function planWriting({ permanent }: FirewalldFacts): readonly FirewalldStep[] {
  const zone = permanent.hasZone ? [] : [{ kind: "add zone" } as const];
  const policies = Object.entries(policyMakers).flatMap(([name, make]) => {
    const policy = make([firewalldName]);
    // What an admin makes of it in firewalld's own files is his to say.
    return permanent.policies.has(name) ? [] : [{ kind: "write policy", name, policy } as const];
  });
  return [...zone, ...policies];
}

function planRunTime(
  facts: FirewalldFacts,
  wish: { zones: Zones; bridges: readonly string[]; zoneOf: ReadonlyMap<string, string> },
): readonly FirewalldStep[] {
  const guests = new Set(wish.bridges);
  const bound = facts.active.get(firewalldName)?.interfaces ?? [];
  return [
    ...bound
      .filter((name) => !guests.has(name))
      .map((name) => ({ kind: "unbind", interface: name }) as const),
    ...wish.bridges
      .filter((bridge) => !wish.zoneOf.has(bridge))
      .map((bridge) => ({ kind: "bind", interface: bridge }) as const),
    ...planPolicies(facts, wish.zones),
  ];
}

function planPolicies(facts: FirewalldFacts, zones: Zones): readonly FirewalldStep[] {
  return Object.entries(policyMakers).flatMap(([name, make]) => {
    const present = facts.policies.get(name);
    const { ingress, egress } = make(zones);
    if (present === undefined) return [];
    if (
      `${present.ingress.join()} ${present.egress.join()}` === `${ingress.join()} ${egress.join()}`
    )
      return [];
    return [{ kind: "set policy", name, policy: { ingress, egress } } as const];
  });
}

function isGuestsOnly(
  facts: FirewalldFacts,
  zone: string,
  { members, bridges }: { members: ZoneMembers; bridges: readonly string[] },
): boolean {
  const { interfaces, sources } = members;
  return (
    zone !== facts.defaultZone &&
    sources.length === 0 &&
    interfaces.length > 0 &&
    interfaces.every((name) => bridges.includes(name))
  );
}

function judge(
  bridge: string,
  at: { readonly zone: string; readonly isOpen: boolean; readonly isDone: boolean },
): PassRuleReport {
  const { zone, isOpen, isDone } = at;
  const said = {
    by: "firewalld",
    family: "inet",
    table: zone,
    chain: bridge,
    firewalls: ["firewalld"],
  } as const;
  if (isOpen && isDone) return { ...said, state: "passed", reason: `policies ${firewalldName}-*` };
  if (isOpen) return { ...said, state: "needed", reason: "firewalld was not told yet" };
  return {
    ...said,
    state: "needed",
    reason: `zone ${zone} holds more than guests' bridges, and opening it would open what virtwall does not judge`,
    line: `firewall-cmd --zone=${firewalldName} --change-interface=${bridge}`,
  };
}
