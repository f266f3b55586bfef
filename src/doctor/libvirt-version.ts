import type { LibvirtFacts } from "../ports/host-facts.ts";
import type { Skipped } from "./examination.ts";

export const noLibvirt: Skipped = { reason: "libvirt is not installed" };

/** The first that has rules for networks in nftables. */
const firstNftables = [10, 4];

export function isBefore(version: readonly number[], floor: readonly number[]): boolean {
  const index = floor.findIndex((part, at) => (version[at] ?? 0) !== part);
  return index >= 0 && (version[index] ?? 0) < (floor[index] ?? 0);
}

/** In which of the two libvirt keeps the rules of its networks; undefined where it cannot be told. */
export function backendOf(libvirt: LibvirtFacts): string | undefined {
  if (isBefore(libvirt.version, firstNftables)) return "iptables";
  const [used, ...others] = new Set(libvirt.networkBackends);
  return used !== undefined && others.length === 0 ? used : libvirt.backend;
}

export function versionText({ version }: LibvirtFacts): string {
  return `libvirt ${version.join(".")}`;
}
