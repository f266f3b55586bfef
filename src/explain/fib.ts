import type { Family } from "../base/address.ts";
import type { FibQuery } from "./host.ts";
import { findRoute, type RouteQuery, type RouteTables } from "./routes.ts";
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
  // IPv6 answers by the route to the address, and not all of those are followed here.
  if (family === 6) return "unknown";
  if (route.kind === "none") return word("unicast");
  return device === undefined ? word(route.kind) : "unknown";
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
  const { family, device, mark, end } = query;
  const [from, to] =
    end === "source" ? [query.destination, query.source] : [query.source, query.destination];
  if (to === "unknown" || to === "absent" || family === 6) return "unknown";
  const wanted: RouteQuery = {
    family,
    source: from === "absent" ? "unknown" : from,
    destination: to,
    mark: mark ?? 0n,
  };
  const route = findRoute(tables, wanted);
  if (route.kind === "none") return 0n;
  if (route.kind !== "unicast") return "unknown";
  return device === undefined || device === route.dev ? nameBits(route.dev) : 0n;
}
