import type { Table, TableFamily } from "../../nft/ast.ts";
import { readTables } from "../../nft/read.ts";
import { listTable, withTrueFlags, type Listing } from "./list.ts";
import { nftOutput } from "./run-nft.ts";

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
  // As text, because nft 1.0.6 can print half a document where a table has exactly one flag.
  for (const line of (await nftOutput(["list", "tables"])).split("\n")) {
    const [, family, name] = line.split(" ");
    if (family === undefined || name === undefined) continue;
    const address = { family: family as TableFamily, name };
    const listing = await listTable(address, options);
    // Without a listing it is gone since the tables were listed.
    if (listing !== undefined) listings.push(await withTrueFlags(listing, address));
  }
  return listings;
}
