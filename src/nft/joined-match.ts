import type { Expression, Statement } from "./ast.ts";
import { datatypesOf } from "./datatype.ts";

/**
 * nft 1.0.6 joins the matches of a rule on neighbouring fields of a header into one (its rule.c, stmt_reduce), even two with `!=`, which
 * then mean another thing: it makes `th sport != 1 th dport != 2` to "not both". A match with a mask it leaves alone, and lists one
 * whose mask is as wide as the field without it. So of the matches that it could join all but one are printed with such a mask.
 */
export function apart(statements: readonly Statement[]): Statement[] {
  const bare = new Map<string, Statement>();
  for (const statement of statements) {
    const base = joinableBase(statement);
    if (base === undefined || statement.kind !== "match") continue;
    // What has no such mask is bare for certain; else the first is.
    if (!bare.has(base) || wholeMask(statement.left) === undefined) bare.set(base, statement);
  }
  return statements.map((statement) => {
    const base = joinableBase(statement);
    if (base === undefined || statement.kind !== "match" || bare.get(base) === statement) {
      return statement;
    }
    const mask = wholeMask(statement.left);
    if (mask === undefined) return statement;
    return { ...statement, left: { kind: "&", left: statement.left, right: mask } };
  });
}

const linkProtocols = new Set(["ether", "vlan"]);
const networkProtocols = new Set(["ip", "ip6", "arp"]);

/** The header that a match is about which nft could join with another. */
function joinableBase(statement: Statement): string | undefined {
  if (statement.kind !== "match" || statement.right.kind !== "value") return undefined;
  const { left, op } = statement;
  if (op !== "==" && op !== "!=") return undefined;
  if (left.kind === "raw") return left.base;
  if (left.kind !== "payload") return undefined;
  if (linkProtocols.has(left.protocol)) return "ll";
  if (networkProtocols.has(left.protocol)) return "nh";
  // Ports of a known protocol are taken apart again, and no rule of ours has two that differ.
  return left.protocol === "th" ? "th" : undefined;
}

const wholeMasks: Readonly<Record<string, string | number>> = {
  ether_addr: "ff:ff:ff:ff:ff:ff",
  ipv4_addr: "255.255.255.255",
  ipv6_addr: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
  inet_service: 0xffff,
};

/** Undefined for fields of other types: types of messages and frames, which no rule asks for beside a neighbour of theirs. */
function wholeMask(field: Expression): Expression | undefined {
  const mask =
    field.kind === "raw" ? 2 ** field.length - 1 : wholeMasks[datatypesOf(field)[0] ?? ""];
  return mask === undefined ? undefined : { kind: "value", value: mask };
}
