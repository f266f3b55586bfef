import { formatPortRange } from "../base/port.ts";
import { quote } from "../base/quote.ts";
import { breach } from "./law.ts";
import type { PolicyLaw } from "./law.ts";
import type { PortRange } from "../base/port.ts";
import type { GroupRule, PortMapping } from "../model/policy.ts";

/** What is published is allowed by the guest's groups, or nobody gets through. */
export const openPublications: PolicyLaw = (policy) =>
  [...policy.guests.values()].flatMap((guest) => {
    const rules = guest.groups.flatMap(({ name }) => policy.groups.get(name)?.ingress ?? []);
    if (rules.length === 0) return [];
    const allowing = rules.filter(({ verdict }) => verdict === "allow");
    const denying = rules.filter(({ verdict, peers }) => verdict === "deny" && isAnybody(peers));
    const groups = guest.groups.map(({ name }) => quote(name)).join(", ");
    return guest.publish
      .flatMap(({ ports }) => ports)
      .flatMap((mapping) => {
        const text = `${mapping.protocol}/${formatPortRange(mapping.guest)}`;
        const warn = (message: string, hint: string) =>
          breach("warning", "PUBLISH_CLOSED_BY_GROUP", { at: mapping.at, message, hint });
        if (
          denying.some((rule) =>
            rangesOf(rule, mapping).some((range) => overlap(range, mapping.guest)),
          )
        ) {
          return warn(
            `${text} is published, and a group of ${groups} denies it`,
            "remove the deny",
          );
        }
        if (allowing.length === 0) return [];
        const allowed = allowing.flatMap((rule) => rangesOf(rule, mapping));
        return isCovered(mapping.guest, allowed)
          ? []
          : warn(
              `${text} is published, and no group of ${groups} allows all of it`,
              `allow: ${text}`,
            );
      });
  });

function isAnybody(peers: GroupRule["peers"]): boolean {
  return peers.length === 0 || peers.some(({ kind }) => kind === "any");
}

/** The ports of the mapping's protocol that a rule speaks of. */
function rangesOf(rule: GroupRule, mapping: PortMapping): PortRange[] {
  return rule.services.flatMap((service) => {
    if (service.kind === "any") return { first: 1, last: 65535 };
    if (service.protocol !== mapping.protocol) return [];
    return service.kind === "ports" ? service.ports : { first: 1, last: 65535 };
  });
}

function overlap(a: PortRange, b: PortRange): boolean {
  return a.first <= b.last && b.first <= a.last;
}

function isCovered(wanted: PortRange, ranges: readonly PortRange[]): boolean {
  let next = wanted.first;
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    if (range.first <= next && range.last >= next) next = range.last + 1;
  }
  return next > wanted.last;
}
