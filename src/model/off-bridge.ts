import type { Host, Nic } from "./inventory.ts";

/**
 * Why no rule of the kernel's bridges meets what the nic sends and receives, in words; undefined where one does. Of a tap that libvirt
 * itself puts into a bridge that is not asked: for a moment, while its network starts anew, it may be in none.
 */
export function offBridge(nic: Nic, { interfaces }: Host): string | undefined {
  if (nic.offBridge !== undefined || nic.tap === undefined) return nic.offBridge;
  if (nic.network !== undefined || nic.bridge !== undefined) return undefined;
  const tap = interfaces.find(({ name }) => name === nic.tap);
  if (tap === undefined) return undefined;
  if (tap.master === undefined) return `${nic.tap} is a port of no bridge`;
  const master = interfaces.find(({ name }) => name === tap.master);
  const isOther = master?.kind !== undefined && master.kind !== "bridge";
  return isOther
    ? `${nic.tap} is a port of ${master.name}, which is no bridge of the kernel's`
    : undefined;
}
