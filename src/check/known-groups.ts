import { nearest } from "../base/nearest.ts";
import { quote } from "../base/quote.ts";
import { breach, didYouMean } from "./law.ts";
import { peersOf } from "./peers.ts";
import type { PolicyLaw } from "./law.ts";

export const knownGroups: PolicyLaw = (policy) => {
  const named = [
    ...[...policy.guests.values()].flatMap((guest) => guest.groups),
    ...peersOf(policy).filter((peer) => peer.kind === "group"),
  ];
  return named
    .filter(({ name }) => !policy.groups.has(name))
    .map(({ name, at }) =>
      breach("error", "UNKNOWN_GROUP", {
        at,
        message: `there is no group ${quote(name)}`,
        hint: didYouMean(nearest(name, policy.groups.keys())) ?? "define it under groups",
      }),
    );
};
