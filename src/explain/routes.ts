import { type Family, parseAddress, toBits } from "../base/address.ts";

/** A row of `ip -j route show table all` (iproute2 6.1), as far as it is asked for. */
export interface RouteRow {
  readonly type?: string;
  readonly dst?: string;
  readonly gateway?: string;
  readonly via?: unknown;
  readonly dev?: string;
  readonly table?: string;
  readonly metric?: number;
  readonly prefsrc?: string;
  readonly nexthops?: unknown;
}

/** A row of `ip -j rule`. */
export type RuleRow = Readonly<Record<string, string | number | null>>;

export interface RouteTables {
  readonly rules: Readonly<Record<Family, readonly RuleRow[]>>;
  readonly routes: Readonly<Record<Family, readonly RouteRow[]>>;
}

/** What the packet says to routing. `unknown` for what nobody told. */
export interface RouteQuery {
  readonly family: Family;
  readonly source: bigint | "unknown";
  /** `unknown`: somebody out in the world, so that only default routes lead there. */
  readonly destination: bigint | "unknown";
  readonly mark: bigint | "unknown";
  readonly iif?: string;
}

export type Route =
  | { readonly kind: "local"; readonly dev: string; readonly prefsrc?: string }
  | {
      readonly kind: "unicast";
      readonly dev: string;
      /** Next hop; absent where the destination itself is on the link. */
      readonly via?: string;
      readonly prefsrc?: string;
    }
  | { readonly kind: "broadcast" | "multicast" | "anycast" }
  /** `reason`: in the kernel's words, such as `unreachable`, or `no route`. */
  | { readonly kind: "none"; readonly reason: string }
  | { readonly kind: "unknown"; readonly reason: string };

/** The route that the kernel's policy routing finds. */
export function findRoute(tables: RouteTables, query: RouteQuery): Route {
  const rules = tables.rules[query.family].toSorted(
    (a, b) => Number(a["priority"] ?? 0) - Number(b["priority"] ?? 0),
  );
  for (const rule of rules) {
    const answer = appliesTo(rule, query);
    if (answer === "no") continue;
    const name = `rule ${String(rule["priority"])}`;
    if (answer === "maybe") return { kind: "unknown", reason: name };
    if (rule["table"] === undefined) {
      const reason = String(rule["action"] ?? "unknown");
      return reason === "unknown" ? { kind: "unknown", reason: name } : { kind: "none", reason };
    }
    const row = findInTable(tables.routes[query.family], String(rule["table"]), query);
    if (row !== undefined && row.type !== "throw") return routeOf(row);
  }
  return { kind: "none", reason: "no route" };
}

/** Selectors of rules that this model follows, besides those that say what to do. */
const known = new Set(["priority", "src", "srclen", "dst", "dstlen", "iif", "fwmark", "fwmask"]);
const actions = new Set(["table", "action", "protocol", "flags"]);

function appliesTo(rule: RuleRow, query: RouteQuery): "yes" | "no" | "maybe" {
  const answers = [
    endOf(rule, "src", query),
    endOf(rule, "dst", query),
    iifOf(rule, query),
    markOf(rule, query),
  ];
  if (answers.includes("no")) return "no";
  const isFollowed = Object.keys(rule).every((key) => known.has(key) || actions.has(key));
  return isFollowed && !answers.includes("maybe") ? "yes" : "maybe";
}

function endOf(rule: RuleRow, end: "src" | "dst", query: RouteQuery): "yes" | "no" | "maybe" {
  const text = rule[end];
  if (text === undefined || text === null || text === "all") return "yes";
  const value = end === "src" ? query.source : query.destination;
  if (value === "unknown") return "maybe";
  const width = query.family === 4 ? 32 : 128;
  const length = Number(rule[`${end}len`] ?? width);
  return isIn(value, prefixBits(String(text), length), width) ? "yes" : "no";
}

function iifOf(rule: RuleRow, query: RouteQuery): "yes" | "no" {
  if (rule["iif"] === undefined) return "yes";
  return rule["iif"] === (query.iif ?? "lo") ? "yes" : "no";
}

function markOf(rule: RuleRow, { mark }: RouteQuery): "yes" | "no" | "maybe" {
  if (rule["fwmark"] === undefined) return "yes";
  if (mark === "unknown") return "maybe";
  const mask = BigInt(rule["fwmask"] ?? 0xffffffff);
  return (mark & mask) === BigInt(rule["fwmark"] ?? 0) ? "yes" : "no";
}

interface PrefixBits {
  readonly bits: bigint;
  readonly length: number;
}

function prefixBits(address: string, length: number): PrefixBits {
  return { bits: toBits(address), length };
}

function isIn(value: bigint, prefix: PrefixBits, width: number): boolean {
  const shift = BigInt(width - prefix.length);
  return value >> shift === prefix.bits >> shift;
}

function prefixOfRow({ dst = "default" }: RouteRow, width: number): PrefixBits {
  if (dst === "default") return { bits: 0n, length: 0 };
  const [address = "", length] = dst.split("/");
  return prefixBits(address, length === undefined ? width : Number(length));
}

/** The longest prefix, and of those the lowest metric. */
function findInTable(
  rows: readonly RouteRow[],
  table: string,
  query: RouteQuery,
): RouteRow | undefined {
  const width = query.family === 4 ? 32 : 128;
  let best: { row: RouteRow; length: number; metric: number } | undefined;
  for (const row of rows) {
    if ((row.table ?? "main") !== table) continue;
    const prefix = prefixOfRow(row, width);
    const isReached =
      query.destination === "unknown"
        ? prefix.length === 0
        : isIn(query.destination, prefix, width);
    if (!isReached) continue;
    const metric = row.metric ?? 0;
    const isBetter =
      best === undefined ||
      prefix.length > best.length ||
      (prefix.length === best.length && metric < best.metric);
    if (isBetter) best = { row, length: prefix.length, metric };
  }
  return best?.row;
}

const unreachable = new Set(["unreachable", "blackhole", "prohibit"]);

function routeOf(row: RouteRow): Route {
  const { type = "unicast", dev, gateway, prefsrc } = row;
  if (unreachable.has(type)) return { kind: "none", reason: type };
  if (type === "broadcast" || type === "multicast" || type === "anycast") return { kind: type };
  if (row.nexthops !== undefined || row.via !== undefined || dev === undefined) {
    return { kind: "unknown", reason: `the route to ${String(row.dst)} by several ways` };
  }
  const source = prefsrc === undefined ? {} : { prefsrc };
  if (type === "local") return { kind: "local", dev, ...source };
  if (type !== "unicast") return { kind: "unknown", reason: `the route of type ${type}` };
  const isAddress = gateway !== undefined && parseAddress(gateway) !== undefined;
  return { kind: "unicast", dev, ...(isAddress && { via: gateway }), ...source };
}
