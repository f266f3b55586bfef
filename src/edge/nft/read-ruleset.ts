import type { Table } from "../../nft/ast.ts";
import { readTables } from "../../nft/read.ts";
import { listTable, listTables, withTrueFlags, type Listing } from "./list.ts";

/** All tables of everybody with all their elements, in the order in which they were made. Not one moment's: table by table. */
export async function readRuleset(): Promise<readonly Table[]> {
  return (await listRuleset({ isTerse: false })).flatMap((listing) => readTables(listing));
}

/** The same without elements of named sets, and which rule of its chain each handle of a table is, counted from 0. */
export async function readNumberedRuleset(): Promise<NumberedRuleset> {
  const listings = await listRuleset({ isTerse: true });
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

async function listRuleset(options: { readonly isTerse: boolean }): Promise<Listing[]> {
  const listings: Listing[] = [];
  for (const address of await listTables()) {
    const listing = await listTable(address, options);
    // Without a listing it is gone since the tables were listed.
    if (listing !== undefined) listings.push(await withTrueFlags(listing, address));
  }
  return listings;
}
