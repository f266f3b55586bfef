import { nearest } from "../base/nearest.ts";
import { quote } from "../base/quote.ts";
import { breach, didYouMean } from "./law.ts";
import { peersOf } from "./peers.ts";
import type { PolicyLaw } from "./law.ts";

export const knownAliases: PolicyLaw = (policy) =>
  peersOf(policy).flatMap((peer) => {
    if (peer.kind !== "alias" || policy.aliases.has(peer.name)) return [];
    const meant = nearest(peer.name, [...policy.aliases.keys(), "any", "host"]);
    const hint = policy.groups.has(peer.name) ? `a group is written group:${peer.name}` : undefined;
    return breach("error", "UNKNOWN_ALIAS", {
      at: peer.at,
      message: `there is no alias ${quote(peer.name)}`,
      hint: hint ?? didYouMean(meant) ?? "define it under aliases",
    });
  });
