import { familyOf, formatAddressRange } from "../base/address.ts";
import { quote } from "../base/quote.ts";
import { breach } from "./law.ts";
import type { Law } from "./law.ts";

/** `nat` belongs to a network that is translated, and its address to a family that the network has. */
export const sensibleNat: Law = (policy, { networks }) =>
  networks.flatMap((network) => {
    const wanted = policy.networks.get(network.name);
    if (wanted?.nat === undefined) return [];
    const { at, addresses } = wanted.nat;
    const name = quote(network.name);
    const mode = wanted.mode ?? network.forward;
    if (mode !== "nat") {
      const message = `network ${name} is not translated (mode ${mode}): 'nat' does nothing`;
      return breach("warning", "NAT_UNUSED", { at, message, hint: "write mode: nat" });
    }
    if (addresses === undefined) return [];
    const family = familyOf(addresses.first);
    if (network.subnets.some(({ prefix }) => prefix.family === family)) return [];
    const message = `${formatAddressRange(addresses)} serves nobody: network ${name} has no IPv${family} subnet`;
    return breach("warning", "NAT_FAMILY", { at, message });
  });
