import { familyOf } from "../base/address.ts";
import type { Intent, NicIntent } from "../model/intent.ts";
import type { AddressSource } from "../model/intent.ts";
import type { Given } from "./given.ts";

const betterSources: readonly AddressSource[] = ["policy", "reservation", "lease"];

/**
 * UUIDs of the guests whose agent is worth asking: a publication or a group needs their address, and no better source knows one of
 * some family that their network has.
 */
export function agentsToAsk({ policy, inventory }: Given, intent: Intent): string[] {
  const candidates = inventory.guests.filter(({ name, uuid, hasAgent }) => {
    if (!hasAgent || uuid === "") return false;
    const wish = policy.guests.get(name);
    return (wish?.publish.length ?? 0) > 0 || (wish?.groups.length ?? 0) > 0;
  });
  if (candidates.length === 0) return [];
  const families = new Map(
    intent.networks
      .filter(({ mode }) => mode !== "bridge")
      .map(({ bridge, subnets }) => [bridge, new Set(subnets.map(({ family }) => family))]),
  );
  const isUnknown = ({ bridge, addresses }: NicIntent) => {
    const known = addresses.filter(({ source }) => betterSources.includes(source));
    const wanted = bridge === undefined ? [] : [...(families.get(bridge) ?? [])];
    return wanted.some((family) => !known.some(({ address }) => familyOf(address) === family));
  };
  const unknown = new Set(intent.nics.filter(isUnknown).map(({ guest }) => guest));
  return candidates.filter(({ name }) => unknown.has(name)).map(({ uuid }) => uuid);
}
