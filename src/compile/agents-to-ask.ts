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
  return inventory.guests.flatMap(({ name, uuid, hasAgent }) => {
    const wish = policy.guests.get(name);
    const isNeeded = (wish?.publish.length ?? 0) > 0 || (wish?.groups.length ?? 0) > 0;
    return hasAgent && uuid !== "" && isNeeded && unknown.has(name) ? [uuid] : [];
  });
}
