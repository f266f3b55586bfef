import { parseAddress, prefixOf, type Family } from "../../base/address.ts";
import { defined } from "../../base/defined.ts";
import type { HostLink, HostRoute, LinkAddress, RoutingRule } from "../../ports/host-facts.ts";
import { runIp } from "./run-ip.ts";

/** The parts of what `ip -j` prints (iproute2 6.1) that are used. */
interface LinkRow {
  readonly ifname: string;
  readonly flags?: readonly string[];
  readonly master?: string;
  readonly link?: string;
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_data?: Readonly<Record<string, unknown>>;
  };
  readonly addr_info?: readonly AddressRow[];
}

interface AddressRow {
  readonly local?: string;
  readonly prefixlen?: number;
  readonly scope?: string;
  readonly protocol?: string;
  readonly dynamic?: boolean;
}

interface RouteRow {
  readonly type?: string;
  readonly dst?: string;
  readonly dev?: string;
  readonly gateway?: string;
  readonly nexthops?: readonly { readonly dev?: string }[];
  readonly table?: string;
  readonly metric?: number;
  readonly protocol?: string;
}

interface RuleRow {
  readonly fwmark?: string;
  readonly fwmask?: string;
  readonly table?: string;
}

/** Those with their global addresses; the loopback has none. */
export async function readLinks(): Promise<readonly HostLink[]> {
  const rows = await runIp<LinkRow>(["-d", "addr", "show"]);
  return rows.map(({ ifname, flags, master, link, linkinfo, addr_info = [] }) => {
    const { info_kind: kind, info_data: data = {} } = linkinfo ?? {};
    const filters = ["nf_call_iptables", "nf_call_ip6tables", "nf_call_arptables"];
    return {
      name: ifname,
      addresses: addr_info.flatMap(readAddress),
      ...defined({ kind, master, peer: kind === "veth" ? link : undefined }),
      ...(flags?.includes("UP") === true && { isUp: true as const }),
      ...(filters.some((key) => data[key] === 1) && { filtersBridged: true as const }),
    };
  });
}

function readAddress({ local, prefixlen, scope, protocol, dynamic }: AddressRow): LinkAddress[] {
  const address = parseAddress(local ?? "");
  if (address === undefined || prefixlen === undefined || scope !== "global") return [];
  // Without a word of who made it (Linux before 5.18): a DHCPv6 client's is dynamic too, and as much the routers' to keep.
  const isAutomatic =
    address.includes(":") && (protocol === "kernel_ra" || (protocol === undefined && !!dynamic));
  return [{ address, prefix: prefixOf(address, prefixlen), isAutomatic }];
}

/** Unicast routes of all tables. */
export async function readRoutes(): Promise<readonly HostRoute[]> {
  const [routes4, routes6] = await Promise.all(
    (["-4", "-6"] as const).map((family) =>
      runIp<RouteRow>([family, "route", "show", "table", "all"]),
    ),
  );
  return [
    ...(routes4 ?? []).flatMap((row) => readRoute(row, 4)),
    ...(routes6 ?? []).flatMap((row) => readRoute(row, 6)),
  ];
}

function readRoute(row: RouteRow, family: Family): HostRoute[] {
  const { type = "unicast", dst, dev, nexthops = [], table = "main", metric = 0 } = row;
  if (type !== "unicast" || dst === undefined) return [];
  const [text = "", length] = dst.split("/");
  const address = parseAddress(text);
  if (address === undefined && dst !== "default") return [];
  const whole = family === 4 ? 32 : 128;
  const prefix = address === undefined ? undefined : prefixOf(address, Number(length ?? whole));
  const devices = [dev, ...nexthops.map((hop) => hop.dev)].filter((name) => name !== undefined);
  const { protocol, gateway: via } = row;
  return [defined({ family, prefix, devices, via, table, metric, protocol })];
}

export async function readRoutingRules(): Promise<readonly RoutingRule[]> {
  const [rules4, rules6] = await Promise.all(
    (["-4", "-6"] as const).map((family) => runIp<RuleRow>([family, "rule", "show"])),
  );
  return [
    ...(rules4 ?? []).map((row) => readRule(row, 4)),
    ...(rules6 ?? []).map((row) => readRule(row, 6)),
  ];
}

function readRule({ fwmark, fwmask, table = "?" }: RuleRow, family: Family): RoutingRule {
  if (fwmark === undefined) return { family, text: `lookup ${table}` };
  const bits = fwmask === undefined ? fwmark : `${fwmark}/${fwmask}`;
  return { family, text: `fwmark ${bits} lookup ${table}`, mark: Number(fwmark) };
}
