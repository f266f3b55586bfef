import type { ForeignTable } from "../../ports/kernel.ts";
import { foreignTables, readForeignTable } from "./foreign.ts";
import { listEvery, listRuleset, listTable, type Listing, type TableAddress } from "./list.ts";

/** A listing of the whole ruleset takes 3 ms and one process where nobody has thousands of rules. */
const quickMs = 150;
const rulesetTimeoutMs = 2000;

/**
 * From one listing of the whole ruleset, or else table by table: that listing starts over whenever somebody changes anything, and
 * under steady change does not end.
 */
export async function readForeign(): Promise<readonly ForeignTable[]> {
  const ruleset = await listRuleset({ isTerse: true, timeoutMs: quickMs });
  if (ruleset === undefined) return readTableByTable();
  return foreignTables(ruleset).flatMap((table) => {
    const listing = partOf(ruleset, table);
    return listing === undefined ? [] : [readForeignTable(table, listing)];
  });
}

/**
 * nft 1.0.6 fetches all elements for the terse listing of a single table (500,000 of them: 6 s), and does not for that of the
 * ruleset (3 ms). So tables with named sets are taken from one listing of the ruleset, if it comes in time.
 */
async function readTableByTable(): Promise<readonly ForeignTable[]> {
  const tables = foreignTables(await listEvery("chains"));
  if (tables.length === 0) return [];
  const withSets = await tablesWithSets();
  const ruleset = tables.some((table) => withSets.has(keyOf(table)))
    ? await listRuleset({ isTerse: true, timeoutMs: rulesetTimeoutMs })
    : undefined;
  const found: ForeignTable[] = [];
  for (const table of tables) {
    const listing =
      ruleset !== undefined && withSets.has(keyOf(table))
        ? partOf(ruleset, table)
        : await listTable(table, { isTerse: true });
    // Without a listing it is gone since the chains were listed.
    if (listing !== undefined) found.push(readForeignTable(table, listing));
  }
  return found;
}

async function tablesWithSets(): Promise<ReadonlySet<string>> {
  const keys = new Set<string>();
  for (const kind of ["sets", "maps"] as const) {
    for (const object of (await listEvery(kind)).nftables) {
      for (const { family, table } of Object.values(object)) {
        keys.add(`${String(family)} ${String(table)}`);
      }
    }
  }
  return keys;
}

function partOf(ruleset: Listing, table: TableAddress): Listing | undefined {
  const nftables = ruleset.nftables.filter((object) =>
    Object.entries(object).some(
      ([kind, body]) =>
        body["family"] === table.family && body[kind === "table" ? "name" : "table"] === table.name,
    ),
  );
  return nftables.length === 0 ? undefined : { nftables };
}

function keyOf({ family, name }: TableAddress): string {
  return `${family} ${name}`;
}
