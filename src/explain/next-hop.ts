import { formatAddress } from "../base/address.ts";
import type { Host } from "./host.ts";
import { familyOfPacket, type Packet } from "./packet.ts";
import type { Known } from "./value.ts";

/** To whom the host hands a packet, by which interface. */
export interface NextHop {
  readonly dev: string;
  readonly hop: Known;
}

/** Between the address of a neighbour that was asked for in vain, and the interface. */
export const silentOn = "does not answer on ";

/** Why a packet does not come to its next hop, where that was asked for in vain. */
export function silence(host: Host, packet: Packet, { dev, hop }: NextHop): string | undefined {
  const family = familyOfPacket(packet);
  const isSilent = typeof hop === "bigint" && host.isSilent(dev, hop);
  return isSilent && family !== undefined
    ? `${formatAddress(family, hop)} ${silentOn}${dev}`
    : undefined;
}

/** Between a macvtap and the interface that carries it. */
export const deafTo = " and the host do not hear each other on ";

/**
 * The kernel hands frames of a macvtap to the wire and to its like on the same interface, and none between them and the host itself
 * (macvlan.c).
 */
export function besideMacvtap(host: Host, { dev, hop }: NextHop): string | undefined {
  const mac = typeof hop === "bigint" ? host.neighbour(dev, hop) : undefined;
  const macvtap = mac === undefined ? undefined : host.macvtapOn(dev, mac);
  return macvtap && `${macvtap}${deafTo}${dev}`;
}
