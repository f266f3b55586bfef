import type { Peer, Policy } from "../model/policy.ts";

/** Every peer that a policy names, wherever it does. */
export function peersOf(policy: Policy): Peer[] {
  const groupRules = [...policy.groups.values()].flatMap((group) => [
    ...group.ingress,
    ...group.egress,
  ]);
  const rules = [...groupRules, ...(policy.host.input ?? [])];
  const publications = [...policy.guests.values()].flatMap((guest) => guest.publish);
  return [
    ...rules.flatMap((rule) => rule.peers),
    ...publications.flatMap((publication) => publication.from),
  ];
}
