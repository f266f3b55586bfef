import type { InterfaceName } from "../base/interface-name.ts";
import type { HostInterface, Inventory } from "../model/inventory.ts";
import type { BridgePort } from "../ports/links.ts";

export interface StrayTaps {
  /** To be made ports of their bridge again. */
  readonly taps: readonly BridgePort[];
  /** Those of them whose port only libvirt can set up as their XML asks: they stay as they are. */
  readonly leftAlone: readonly BridgePort[];
}

/**
 * Taps of running guests that belong to no bridge while their network is there. `net-destroy` takes the bridge from under them and
 * `net-start` makes a new one, to which libvirt brings them back at its own next start only (9.0 and 11.3). A tap whose guest's XML
 * names another bridge than the network has now is not touched, nor is one that has any master.
 */
export function planLinks({ guests, networks, host }: Inventory): StrayTaps {
  const taps: BridgePort[] = [];
  const leftAlone: BridgePort[] = [];
  const isStray = ({ kind, master }: HostInterface) => kind === "tun" && master === undefined;
  const strays = new Set(host.interfaces.filter(isStray).map(({ name }) => name));
  if (strays.size === 0) return { taps, leftAlone };
  const bridgeOf = new Map(networks.map(({ name, bridge }) => [name, bridge]));
  const links = new Map(host.interfaces.map((link) => [link.name, link]));
  for (const nic of guests.flatMap((guest) => guest.nics)) {
    const { tap, network } = nic;
    if (tap === undefined || !strays.has(tap) || network === undefined) continue;
    const bridge = bridgeOf.get(network);
    if (bridge === undefined || (nic.bridge ?? bridge) !== bridge) continue;
    if (links.get(bridge)?.kind !== "bridge") continue;
    (nic.hasPortSettings ? leftAlone : taps).push({ tap, bridge });
  }
  return { taps, leftAlone };
}

/** Those of the taps that are ports of a bridge and not in hairpin mode. */
export function planHairpin(
  taps: readonly InterfaceName[],
  { interfaces }: Inventory["host"],
): InterfaceName[] {
  const flat = interfaces.filter(({ master, isHairpin }) => master !== undefined && !isHairpin);
  const names = new Set(flat.map(({ name }) => name));
  return taps.filter((tap) => names.has(tap));
}
