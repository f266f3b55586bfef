/**
 * Where a chain stands among root's rules unless its filter says so; nwfilter_conf.h and nwfilter_conf.c, libvirt 11.3. `stp` has
 * none there, whatever libvirt's documentation says, and stands at 0.
 */
const usualPriorities: ReadonlyMap<string, number> = new Map([
  ["mac", -800],
  ["vlan", -750],
  ["ipv4", -700],
  ["ipv6", -600],
  ["arp", -500],
  ["rarp", -400],
]);

/** The prefix that says which frames enter the chain; `root`'s is its name. Undefined if there is no such chain. */
export function chainPrefix(chain: string): string | undefined {
  return /^(root$|mac|vlan|stp|arp|rarp|ipv4|ipv6)/.exec(chain)?.[1];
}

export function usualChainPriority(chain: string): number {
  return usualPriorities.get(chainPrefix(chain) ?? "") ?? 0;
}
