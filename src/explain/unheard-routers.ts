import type { RouteTables } from "./routes.ts";

interface Facts {
  readonly links: readonly {
    readonly ifname: string;
    readonly addr_info?: readonly AddressRow[];
  }[];
  readonly routing: RouteTables;
  readonly settings: ReadonlyMap<string, string>;
}

interface AddressRow {
  readonly local?: string;
  readonly scope?: string;
  readonly protocol?: string;
  readonly dynamic?: boolean;
}

/**
 * The interface by which a host that forwards IPv6 would have its default route if it heard routers: with `accept_ra` 1 it hears them
 * only as long as it forwards nothing (ip-sysctl.rst). It has an address of theirs still, or else leads to the world of IPv4.
 */
export function deafTowards({ links, routing, settings }: Facts): string | undefined {
  if (settings.get("net/ipv6/conf/all/forwarding") !== "1") return undefined;
  const deaf = links.filter(
    ({ ifname }) => settings.get(`net/ipv6/conf/${ifname}/accept_ra`) === "1",
  );
  const leadsOut = (device: string) =>
    routing.routes[4].some(({ dst, dev }) => dst === "default" && dev === device);
  const facing =
    deaf.find(({ addr_info = [] }) => addr_info.some(isOfRouters)) ??
    deaf.find(({ ifname }) => leadsOut(ifname));
  return facing?.ifname;
}

/** Linux before 5.18 does not say who made an address; those of DHCPv6 end too. */
function isOfRouters({ local = "", scope, protocol, dynamic }: AddressRow): boolean {
  if (!local.includes(":") || scope !== "global") return false;
  return protocol === "kernel_ra" || (protocol === undefined && dynamic === true);
}
