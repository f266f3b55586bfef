import { familyOf, type Family } from "../base/address.ts";
import { remembered } from "../base/remembered.ts";
import type { Intent, NicIntent } from "../model/intent.ts";
import type { Group, GroupRule } from "../model/policy.ts";
import type { Chain, Rule, SetDefinition, Verdict } from "../nft/ast.ts";
import { concat, drop, goto, jump, leave, rule, value } from "../nft/build.ts";
import { addressType, defineSet, interfaceSet } from "./define-set.ts";
import { lowerRule } from "./lower-rule.ts";
import { families } from "./matches.ts";
import { egressChain, ingressChain } from "./names.ts";
import { refuse } from "./verdicts.ts";

type Direction = "ingress" | "egress";

/**
 * Guests in groups are elements that lead to one chain for each distinct list of groups. Egress is asked first, by
 * `bridge . address`, and returns what it allows; ingress, asked last, sends what it allows to `pass`. Ingress goes by the
 * address alone: in the output hook a rewritten packet still bears the name of the interface it was first routed to.
 */
export function lowerGroups(intent: Intent): { sets: SetDefinition[]; chains: Chain[] } {
  const lists = new Map<string, readonly string[]>();
  for (const { groups } of guardedNics(intent)) lists.set(groups.join("/"), groups);
  const chains = [...lists.values()].flatMap((groups) => [
    ...groupChain(intent, groups, "egress"),
    ...groupChain(intent, groups, "ingress"),
  ]);
  const sets = families.flatMap((family) => [
    egressMap(intent, family),
    ingressMap(intent, family),
  ]);
  const ingressBridges = families.flatMap((family) =>
    judgedAddresses(intent, family, "ingress").map(({ bridge }) => bridge),
  );
  return { sets: [...sets, interfaceSet("ingress_bridges", ingressBridges)], chains };
}

function egressMap(intent: Intent, family: Family): SetDefinition {
  const elements = judgedAddresses(intent, family, "egress").map(({ bridge, address, groups }) => ({
    key: concat(value(bridge), value(address)),
    data: jump(egressChain(groups)),
  }));
  const type = ["ifname", addressType(family)];
  return defineSet(`egress${family}`, { type, data: ["verdict"] }, elements);
}

function ingressMap(intent: Intent, family: Family): SetDefinition {
  const elements = judgedAddresses(intent, family, "ingress").map(({ address, groups }) => ({
    key: value(address),
    data: goto(ingressChain(groups)),
  }));
  const type = [addressType(family)];
  return defineSet(`ingress${family}`, { type, data: ["verdict"] }, elements);
}

function judgedAddresses(intent: Intent, family: Family, direction: Direction) {
  return guardedNics(intent).flatMap(({ bridge, addresses, groups }) => {
    if (bridge === undefined || !hasRules(intent, groups, direction)) return [];
    return addresses
      .filter(({ address }) => familyOf(address) === family)
      .map(({ address }) => ({ bridge, address, groups }));
  });
}

function groupChain(intent: Intent, groups: readonly string[], direction: Direction): Chain[] {
  const rules = rulesOf(intent, groups, direction);
  if (rules.length === 0) return [];
  const denied = rules.filter(({ rule }) => rule.verdict === "deny");
  const allowed = rules.filter(({ rule }) => rule.verdict === "allow");
  const allow = direction === "egress" ? leave : goto("pass");
  const last: Rule[] =
    allowed.length > 0
      ? [rule(...refuse)]
      : direction === "egress"
        ? []
        : [{ statements: [allow] }];
  return [
    {
      name: direction === "egress" ? egressChain(groups) : ingressChain(groups),
      rules: [
        ...denied.flatMap((origin) => rulesFrom(intent, origin, drop)),
        ...allowed.flatMap((origin) => rulesFrom(intent, origin, allow)),
        ...last,
      ],
    },
  ];
}

interface Origin {
  readonly group: Group;
  readonly direction: Direction;
  /** From 1, in the group's list. */
  readonly position: number;
  readonly rule: GroupRule;
}

function rulesOf(intent: Intent, groups: readonly string[], direction: Direction): Origin[] {
  return groups
    .flatMap((name) => intent.groups.get(name) ?? [])
    .flatMap((group) =>
      group[direction].map((rule, index) => ({ group, direction, position: index + 1, rule })),
    );
}

function hasRules({ groups }: Intent, names: readonly string[], direction: Direction): boolean {
  return names.some((name) => (groups.get(name)?.[direction].length ?? 0) > 0);
}

function rulesFrom(intent: Intent, origin: Origin, verdict: Verdict): Rule[] {
  const { rule, group, direction, position } = origin;
  return lowerRule(rule, intent.aliases, {
    end: direction === "ingress" ? "saddr" : "daddr",
    verdict,
    logPrefix: `virtwall ${group.name} ${direction} ${rule.verdict} `,
    comment: `group ${group.name} ${direction} ${position}`,
  });
}

/** Nics whose guests may not send whatever they like. */
export function limitedNics(intent: Intent): NicIntent[] {
  return guardedNics(intent).filter(({ groups }) => hasRules(intent, groups, "egress"));
}

/** Nics whose guests are judged by address and so must not send from another one. */
export const guardedNics = remembered(({ nics }: Intent): readonly NicIntent[] =>
  nics.filter(({ groups }) => groups.length > 0),
);
