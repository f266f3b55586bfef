/** nft's names of the ICMPv6 types without which no host is on its link: neighbour discovery and multicast listening. */
export const neighbourDiscovery = [
  "mld-listener-query",
  "mld-listener-report",
  "mld-listener-done",
  "nd-router-solicit",
  "nd-neighbor-solicit",
  "nd-neighbor-advert",
  "mld2-listener-report",
] as const;

export const fromRouters = ["nd-router-advert"] as const;
