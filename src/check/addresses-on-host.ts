import { rememberedWhile } from "../base/remembered.ts";
import { breach } from "./law.ts";
import type { Address } from "../base/address.ts";
import type { Law } from "./law.ts";
import type { Host } from "../model/inventory.ts";
import type { NatPolicy, Policy } from "../model/policy.ts";
import type { Place } from "../model/problem.ts";

interface Named {
  readonly address?: Address;
  readonly at: Place;
}

/** Public addresses are held by the host, or routed to it: the latter cannot be seen, so a missing one is a warning. */
export const addressesOnHost: Law = (policy, { host }) => problemsOn(policy, host);

const problemsOn = rememberedWhile(
  (_policy: Policy, { interfaces }: Host) => [interfaces],
  (policy, { interfaces }) => {
    const held = new Set(interfaces.flatMap(({ addresses }) => addresses));
    if (held.size === 0) return [];
    const named: Named[] = [
      ...[...policy.guests.values()].flatMap(({ publish }) => publish),
      ...[...policy.networks.values()].flatMap(({ nat }) => endsOf(nat)),
    ];
    return named.flatMap(({ address, at }) =>
      address === undefined || held.has(address)
        ? []
        : breach("warning", "ADDRESS_NOT_ON_HOST", {
            at,
            message: `no interface of the host holds ${address}`,
            hint: hintFor(address),
          }),
    );
  },
);

function hintFor(address: Address): string {
  if (address === "0.0.0.0" || address === "::") return "for every address leave `address` out";
  if (address === "::1" || address.startsWith("127."))
    return "nobody outside reaches a loopback address";
  return `fine if it is routed to this host; else: ip address add ${address} dev UPLINK`;
}

/** Of a range both ends: it may hold more than there are. */
function endsOf(nat: NatPolicy | undefined): Named[] {
  if (nat?.addresses === undefined) return [];
  const { addresses, at } = nat;
  return [...new Set([addresses.first, addresses.last])].map((address) => ({ address, at }));
}
