import type { GroupRule, Peer, Policy } from "../model/policy.ts";

/** Every rule of a policy: those of groups, and those of the host. */
export function rulesOf(policy: Policy): GroupRule[] {
  const groups = [...policy.groups.values()];
  return [
    ...groups.flatMap(({ ingress, egress }) => [...ingress, ...egress]),
    ...(policy.host.input ?? []),
  ];
}

/** Every peer that a policy names, wherever it does. */
export function peersOf(policy: Policy): Peer[] {
  const publications = [...policy.guests.values()].flatMap((guest) => guest.publish);
  return [
    ...rulesOf(policy).flatMap((rule) => rule.peers),
    ...publications.flatMap((publication) => publication.from),
  ];
}
