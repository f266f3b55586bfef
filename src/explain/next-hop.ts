import { formatAddress } from "../base/address.ts";
import type { Host } from "./host.ts";
import type { Loss } from "./loss.ts";
import { familyOfPacket, type Packet } from "./packet.ts";
import type { Known } from "./value.ts";

/** To whom the host hands a packet, by which interface. */
export interface NextHop {
  readonly dev: string;
  readonly hop: Known;
}

/** A packet does not come to a next hop that was asked for in vain. */
export function silence(host: Host, packet: Packet, { dev, hop }: NextHop): Loss | undefined {
  const family = familyOfPacket(packet);
  const isSilent = typeof hop === "bigint" && host.isSilent(dev, hop);
  return isSilent && family !== undefined
    ? { why: "silent", address: formatAddress(family, hop), dev }
    : undefined;
}

/**
 * The kernel hands frames of a macvtap to the wire and to its like on the same interface, and none between them and the host itself
 * (macvlan.c).
 */
export function besideMacvtap(host: Host, { dev, hop }: NextHop): Loss | undefined {
  const mac = typeof hop === "bigint" ? host.neighbour(dev, hop) : undefined;
  const macvtap = mac === undefined ? undefined : host.macvtapOn(dev, mac);
  return macvtap === undefined ? undefined : { why: "beside macvtap", macvtap, dev };
}
