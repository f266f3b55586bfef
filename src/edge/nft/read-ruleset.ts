import type { Table } from "../../nft/ast.ts";
import { readTables, readTablesOnDemand } from "../../nft/read.ts";
import { listRuleset, listTable, listTables, withTrueFlags, type Listing } from "./list.ts";

/** Then a single listing is given up, since under steady change it does not end: see `readForeign`. */
const timeoutMs = 2000;

/** All tables of everybody in the order in which they were made; elements of named sets are read when they are asked for. */
export async function readRuleset(): Promise<readonly Table[]> {
  return (await listTogether({ isTerse: false })).flatMap((listing) => readTablesOnDemand(listing));
}

/** The same without elements of named sets, and which rule of its chain each handle of a table is, counted from 0. */
export async function readNumberedRuleset(): Promise<NumberedRuleset> {
  const listings = await listTogether({ isTerse: true });
  const numbers = new Map<string, number>();
  const counts = new Map<string, number>();
  for (const { rule } of listings.flatMap(({ nftables }) => nftables)) {
    if (rule === undefined) continue;
    const table = `${String(rule["family"])} ${String(rule["table"])}`;
    const chain = `${table} ${String(rule["chain"])}`;
    const index = counts.get(chain) ?? 0;
    counts.set(chain, index + 1);
    numbers.set(`${table} ${String(rule["handle"])}`, index);
  }
  return {
    tables: listings.flatMap((listing) => readTables(listing)),
    indexOf: ({ family, table }, handle) => numbers.get(`${family} ${table} ${handle}`),
  };
}

export interface NumberedRuleset {
  readonly tables: readonly Table[];
  indexOf(
    table: { readonly family: string; readonly table: string },
    handle: number,
  ): number | undefined;
}

/** In one listing, or else, and then not of one moment, in one of each table. */
async function listTogether({ isTerse }: { readonly isTerse: boolean }): Promise<Listing[]> {
  const ruleset = await listRuleset({ isTerse, timeoutMs });
  if (ruleset !== undefined) return [await withTrueFlags(ruleset)];
  const listings: Listing[] = [];
  for (const address of await listTables()) {
    const listing = await listTable(address, { isTerse });
    // Without a listing it is gone since the tables were listed.
    if (listing !== undefined) listings.push(await withTrueFlags(listing));
  }
  return listings;
}
