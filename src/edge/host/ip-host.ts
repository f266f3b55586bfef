import { parseAddress } from "../../base/address.ts";
import { parseInterfaceName } from "../../base/interface-name.ts";
import type { HostInterface } from "../../model/inventory.ts";
import type { HostSource } from "../../ports/sources.ts";
import { watchFilteredFamilies } from "./bridge-filtering.ts";
import { runIp } from "./run-ip.ts";
import { watchChild } from "./watch-child.ts";

/** The part of `ip -j -d addr` (iproute2 6.1) that is used. */
interface IpLink {
  readonly ifname?: string;
  readonly master?: string;
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_slave_data?: { readonly hairpin?: boolean };
  };
  readonly addr_info?: readonly { readonly local?: string; readonly scope?: string }[];
}

interface IpRoute {
  readonly dev?: string;
  readonly nexthops?: readonly { readonly dev?: string }[];
}

/** The network of the namespace this process runs in, through iproute2. */
export class IpHost implements HostSource {
  async read(): Promise<readonly HostInterface[]> {
    const [links, routes4, routes6] = await Promise.all([
      runIp<IpLink>(["-d", "addr", "show"]),
      runIp<IpRoute>(["-4", "route", "show", "default"]),
      runIp<IpRoute>(["-6", "route", "show", "default"]),
    ]);
    const outside = new Set(
      [...routes4, ...routes6].flatMap((route) => [
        route.dev,
        ...(route.nexthops ?? []).map((hop) => hop.dev),
      ]),
    );
    return links.flatMap((link) => readLink(link, outside));
  }

  watch(listener: () => void): () => void {
    const stops = [
      watchChild({
        command: "ip",
        args: ["-o", "monitor", "link", "address", "route"],
        onChange: listener,
      }),
      watchFilteredFamilies(listener),
    ];
    return () => stops.forEach((stop) => stop());
  }
}

function readLink(link: IpLink, outside: ReadonlySet<string | undefined>): HostInterface[] {
  const name = parseInterfaceName(link.ifname ?? "");
  if (name === undefined) return [];
  const addresses = (link.addr_info ?? [])
    .filter((address) => address.scope === "global")
    .map((address) => parseAddress(address.local ?? ""))
    .filter((address) => address !== undefined);
  const master = parseInterfaceName(link.master ?? "");
  const kind = link.linkinfo?.info_kind;
  return [
    {
      name,
      addresses,
      hasDefaultRoute: outside.has(link.ifname),
      ...(master !== undefined && { master }),
      ...(kind !== undefined && { kind }),
      ...(link.linkinfo?.info_slave_data?.hairpin === true && { isHairpin: true }),
    },
  ];
}
