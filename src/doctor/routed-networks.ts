import { familyOf, type Family } from "../base/address.ts";
import type { NetworkIntent } from "../model/intent.ts";
import { uplinkNames } from "../model/uplinks.ts";
import type { Desired } from "../reconcile/decide.ts";

/** Networks whose guests talk to others through the host's routing, in one family. */
export function routedNetworks(
  { compiled: { intent } }: Desired,
  family: Family,
): readonly NetworkIntent[] {
  const published = intent.publications
    .map(({ guestAddress }) => guestAddress)
    .filter((address) => familyOf(address) === family);
  const isPublished = ({ bridge }: NetworkIntent) =>
    intent.nics.some(
      (nic) =>
        nic.bridge === bridge && nic.addresses.some(({ address }) => published.includes(address)),
    );
  return intent.networks.filter(
    (network) =>
      network.mode !== "bridge" &&
      network.subnets.some((subnet) => subnet.family === family) &&
      (network.mode !== "isolated" || isPublished(network)),
  );
}

/** Sorted. */
export function uplinksOf({ policy, inventory }: Desired): readonly string[] {
  return [...uplinkNames(policy.host, inventory.host)].toSorted();
}
