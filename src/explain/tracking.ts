import type { Family } from "../base/address.ts";
import { remembered } from "../base/remembered.ts";
import type { Statement, Table, TableFamily } from "../nft/ast.ts";

/**
 * Whether connections of a family are tracked: the kernel begins with it where a rule asks (nf_ct_netns_get), and `dnat ip to` in an
 * inet table asks for IPv4 alone.
 */
export function isTracking(tables: readonly Table[], family: Family): boolean {
  return tables.some((table) => trackedBy(table).has(family));
}

/** The kernel takes a rule that asks for connections on bridges only where it can track them there (nf_conntrack_bridge). */
export function isTrackingBridged(tables: readonly Table[]): boolean {
  return tables.some((table) => table.family === "bridge" && asksForConnections(table));
}

const asksForConnections = remembered((table: Table): boolean =>
  JSON.stringify(table.chains).includes('"kind":"ct"'),
);

const trackedBy = remembered((table: Table): ReadonlySet<Family> => {
  const statements = table.chains.flatMap(({ rules }) => rules.flatMap((rule) => rule.statements));
  return new Set(statements.flatMap((statement) => askedBy(statement, table.family)));
});

function askedBy(statement: Statement, table: TableFamily): readonly Family[] {
  switch (statement.kind) {
    case "dnat":
    case "snat":
      return familiesOf(statement.family ?? table);
    case "masquerade":
    case "redirect":
      return familiesOf(table);
    default:
      return asking.test(JSON.stringify(statement)) ? familiesOf(table) : [];
  }
}

/** Expressions of ct, and what is kept as nft's JSON where it is one of those that call nf_ct_netns_get, or may be. */
const asking = /"kind":"ct"|"over":|\\"(ct|flow|synproxy|xt)\b/;

function familiesOf(table: TableFamily): readonly Family[] {
  if (table === "inet") return [4, 6];
  if (table === "ip") return [4];
  return table === "ip6" ? [6] : [];
}
