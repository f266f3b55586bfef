import type { Family } from "../base/address.ts";
import type { FibQuery } from "./host.ts";
import { findRoute, type RouteQuery, type RouteTables, type Unrouted } from "./routes.ts";
import { symbolValue } from "./symbols.ts";
import { type Loaded, nameBits } from "./value.ts";

/** What the kernel's `fib` expression finds (nft_fib_ipv4.c, nft_fib_ipv6.c). */
export function answerFib(tables: RouteTables, query: FibQuery): Loaded {
  return query.result === "type" ? addressType(tables, query) : reversePath(tables, query);
}

/** The type of an address; with an interface, `local` is only what is that interface's own. */
function addressType(tables: RouteTables, query: FibQuery): Loaded {
  const { family, device } = query;
  const address = query[query.end];
  if (typeof address === "object") return word("unicast");
  if (typeof address !== "bigint") return "unknown";
  const fixed = fixedType(family, address);
  if (fixed !== undefined) return word(fixed);
  if (family === 6) return addressType6(tables, query);
  const rows = tables.routes[family].filter(({ table }) => table === "local");
  const local = { rules: onlyLocal, routes: { ...tables.routes, [family]: rows } };
  const route = findRoute(local, {
    family,
    source: "unknown",
    destination: address,
    mark: "unknown",
  });
  if (route.kind === "local") {
    return device === undefined || device === route.dev ? word("local") : "unknown";
  }
  if (route.kind === "none") return word("unicast");
  return device === undefined ? word(route.kind) : "unknown";
}

/** IPv6 answers by the route to the address (__nft_fib6_eval_type). */
function addressType6(tables: RouteTables, query: FibQuery): Loaded {
  const wanted = routeQuery(query);
  const route = wanted === undefined ? undefined : findRoute(tables, wanted);
  const isOwn =
    query.device === undefined || (route?.kind === "local" && route.dev === query.device);
  switch (route?.kind) {
    case "local":
      return word(isOwn ? "local" : "unicast");
    case "unicast":
    case "anycast":
      return word(route.kind);
    case "none":
      return word(unreachableType(route.loss));
    default:
      return "unknown";
  }
}

/** The kernel tells apart no more than these (fib6_rule_action, fib6_null_entry). */
function unreachableType(loss: Unrouted): string {
  const isTold = loss.why === "refused" && (loss.word === "blackhole" || loss.word === "prohibit");
  return isTold ? loss.word : "unreachable";
}

function fixedType(family: Family, address: bigint): string | undefined {
  if (family === 6) return address >> 120n === 0xffn ? "multicast" : undefined;
  if (address >> 28n === 0xen) return "multicast";
  return address === 0xffffffffn ? "broadcast" : undefined;
}

const localRule = { priority: 0, src: "all", table: "local" };
const onlyLocal: RouteTables["rules"] = { 4: [localRule], 6: [localRule] };

function word(type: string): Loaded {
  return symbolValue("fib_addrtype", type) ?? "unknown";
}

/** The interface by which the packet's end is reached; 0 where it is reached by another one than asked for, or not at all. */
function reversePath(tables: RouteTables, query: FibQuery): Loaded {
  const { device } = query;
  const wanted = routeQuery(query);
  if (wanted === undefined || (isLinkLocal(wanted) && device === undefined)) return "unknown";
  const isBound = device !== undefined && (query.isBound === true || isLinkLocal(wanted));
  const route = findRoute(isBound ? boundTo(tables, query, device) : tables, wanted);
  switch (route.kind) {
    case "unicast":
      return device === undefined || device === route.dev ? nameBits(route.dev) : 0n;
    case "none":
    case "local":
    case "anycast":
      return 0n;
    case "broadcast":
      return query.family === 4 ? 0n : "unknown";
    default:
      return "unknown";
  }
}

/** To the end that is asked about, from the other one. */
function routeQuery({ family, end, source, destination, mark }: FibQuery): RouteQuery | undefined {
  const [from, to] = end === "source" ? [destination, source] : [source, destination];
  if (to === "unknown" || to === "absent") return undefined;
  return {
    family,
    source: from === "absent" ? "unknown" : from,
    destination: to,
    mark: mark ?? 0n,
  };
}

/** An address of fe80::/10, which each link has of its own. */
function isLinkLocal({ family, destination }: RouteQuery): boolean {
  return family === 6 && typeof destination === "bigint" && destination >> 118n === 0x3fan;
}

function boundTo(
  { rules, routes }: RouteTables,
  { family }: FibQuery,
  device: string,
): RouteTables {
  return {
    rules,
    routes: { ...routes, [family]: routes[family].filter(({ dev }) => dev === device) },
  };
}
