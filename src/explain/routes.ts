import { type Family, parseAddress, toBits } from "../base/address.ts";
import { remembered } from "../base/remembered.ts";
import type { Loss } from "./loss.ts";
import { isWithin, networkOf, outsiderOf, widthOf } from "./outsider.ts";
import { type Answer, answerOf, type Known, type Outsider } from "./value.ts";

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
  readonly source: Known;
  readonly destination: Known;
  readonly mark: Known;
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
  | { readonly kind: "none"; readonly loss: Unrouted }
  | { readonly kind: "unknown"; readonly reason: string };

export type Unrouted = Extract<Loss, { readonly why: "no route" | "refused" }>;

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
      const word = String(rule["action"] ?? "unknown");
      return word === "unknown" ? { kind: "unknown", reason: name } : refused(word);
    }
    const rows = findInTable(tables.routes[query.family], String(rule["table"]), query);
    const [row] = rows;
    if (rows.length > 1) return { kind: "unknown", reason: "which route its destination has" };
    if (row !== undefined && row.type !== "throw") return routeOf(row);
  }
  return { kind: "none", loss: { why: "no route" } };
}

/** Selectors of rules that this model follows, besides those that say what to do. */
const known = new Set(["priority", "src", "srclen", "dst", "dstlen", "iif", "fwmark", "fwmask"]);
const actions = new Set(["table", "action", "protocol", "flags"]);

function appliesTo(rule: RuleRow, query: RouteQuery): Answer {
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

function endOf(rule: RuleRow, end: "src" | "dst", query: RouteQuery): Answer {
  const text = rule[end];
  if (text === undefined || text === null || text === "all") return "yes";
  const value = end === "src" ? query.source : query.destination;
  const width = widthOf(query.family);
  const length = Number(rule[`${end}len`] ?? width);
  return isIn(value, prefixBits(String(text), length), query.family);
}

function iifOf(rule: RuleRow, query: RouteQuery): "yes" | "no" {
  if (rule["iif"] === undefined) return "yes";
  return rule["iif"] === (query.iif ?? "lo") ? "yes" : "no";
}

function markOf(rule: RuleRow, { mark }: RouteQuery): Answer {
  if (rule["fwmark"] === undefined) return "yes";
  if (typeof mark !== "bigint") return "maybe";
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

function isIn(value: Known, { bits, length }: PrefixBits, family: Family): Answer {
  if (length === 0) return "yes";
  if (value === "unknown") return "maybe";
  if (typeof value === "object") return isWithin(value, networkOf(bits, length, family));
  const shift = BigInt(widthOf(family) - length);
  return answerOf(value >> shift === bits >> shift);
}

interface ParsedRow {
  readonly row: RouteRow;
  readonly prefix: PrefixBits;
}

/** The rows of each table, those that win first: the longest prefix, and of those the lowest metric. */
const tablesOf = remembered((rows: readonly RouteRow[]): ReadonlyMap<string, ParsedRow[]> => {
  const tables = new Map<string, ParsedRow[]>();
  for (const row of rows) {
    const name = row.table ?? "main";
    const table = tables.get(name) ?? [];
    tables.set(name, table);
    table.push({ row, prefix: prefixOfRow(row) });
  }
  for (const each of tables.values()) {
    each.sort(
      (a, b) => b.prefix.length - a.prefix.length || (a.row.metric ?? 0) - (b.row.metric ?? 0),
    );
  }
  return tables;
});

/** In which route's network an address is; several, where it is not known well enough. */
function findInTable(
  rows: readonly RouteRow[],
  table: string,
  { destination, family }: RouteQuery,
): readonly RouteRow[] {
  const found: RouteRow[] = [];
  for (const { row, prefix } of tablesOf(rows).get(table) ?? []) {
    const answer = isIn(destination, prefix, family);
    if (answer !== "no") found.push(row);
    if (answer === "yes") break;
  }
  return found;
}

function prefixOfRow({ dst = "default" }: RouteRow): PrefixBits {
  if (dst === "default") return { bits: 0n, length: 0 };
  const [address = "", length] = dst.split("/");
  return prefixBits(address, Number(length ?? (address.includes(":") ? 128 : 32)));
}

/** Anybody who is reached by a default route alone. */
export function outsider({ routes }: RouteTables, family: Family): Outsider {
  const networks = [...tablesOf(routes[family])].flatMap(([name, rows]) =>
    isConsulted(name) ? rows.map(({ prefix }) => prefix) : [],
  );
  // Two halves of everything in place of a default route lead out too (OpenVPN's redirect-gateway).
  const own = networks.filter(({ length }) => length > 1);
  return outsiderOf(
    family,
    own.map(({ bits, length }) => networkOf(bits, length, family)),
  );
}

/** Unless rules say otherwise. */
function isConsulted(table: string): boolean {
  return table === "local" || table === "main" || table === "default";
}

const refused = (word: string): Route => ({ kind: "none", loss: { why: "refused", word } });

const unreachable = new Set(["unreachable", "blackhole", "prohibit"]);

function routeOf(row: RouteRow): Route {
  const { type = "unicast", dev, gateway, prefsrc } = row;
  if (unreachable.has(type)) return refused(type);
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
