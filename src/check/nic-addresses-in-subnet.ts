import { familyOf, formatPrefix, prefixContains } from "../base/address.ts";
import { quote } from "../base/quote.ts";
import { breach } from "./law.ts";
import type { GuestLaw } from "./law.ts";

/** A nic's fixed address lies in a subnet of its network, where the network has any of that family, and is not the host's. */
export const nicAddressesInSubnet: GuestLaw = ({ written, nics }) =>
  nics.flatMap(({ nic, network }) => {
    const wanted = written?.nics.get(nic.mac);
    if (wanted === undefined || network === undefined) return [];
    return wanted.addresses.flatMap((address) => {
      const subnets = network.subnets.filter(({ prefix }) => prefix.family === familyOf(address));
      if (subnets.some(({ gateway }) => gateway === address)) {
        const message = `${address} is the host's own address in network ${quote(network.name)}`;
        return breach("error", "ADDRESS_OF_HOST", { at: wanted.at, message });
      }
      if (subnets.length === 0) return [];
      if (subnets.some(({ prefix }) => prefixContains(prefix, address))) return [];
      const list = subnets.map(({ prefix }) => formatPrefix(prefix)).join(", ");
      const message = `${address} is outside of network ${quote(network.name)}, which has ${list}`;
      return breach("warning", "ADDRESS_OUTSIDE_SUBNET", { at: wanted.at, message });
    });
  });
