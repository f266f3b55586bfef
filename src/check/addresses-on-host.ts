import { breach } from "./law.ts";
import type { Address } from "../base/address.ts";
import type { Law } from "./law.ts";
import type { Place } from "../model/problem.ts";

/** Public addresses are held by the host, or routed to it: the latter cannot be seen, so a missing one is a warning. */
export const addressesOnHost: Law = (policy, { host: { interfaces } }) => {
  const held = new Set(interfaces.flatMap(({ addresses }) => addresses));
  if (held.size === 0) return [];
  const named: { address: Address | undefined; at: Place }[] = [
    ...[...policy.guests.values()].flatMap(({ publish }) => publish),
    ...[...policy.networks.values()].flatMap(({ nat }) => nat ?? []),
  ].map(({ address, at }) => ({ address, at }));
  return named.flatMap(({ address, at }) =>
    address === undefined || held.has(address)
      ? []
      : breach("warning", "ADDRESS_NOT_ON_HOST", {
          at,
          message: `no interface of the host holds ${address}`,
          hint: `fine if it is routed to this host; else: ip address add ${address} dev UPLINK`,
        }),
  );
};
