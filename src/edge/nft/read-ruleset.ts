import type { Table, TableFamily } from "../../nft/ast.ts";
import { readTables } from "../../nft/read.ts";
import { listTable, withTrueFlags } from "./list.ts";
import { nftOutput } from "./run-nft.ts";

/** All tables of everybody with all their elements, in the order in which they were made. Not one moment's: table by table. */
export async function readRuleset(): Promise<readonly Table[]> {
  const tables: Table[] = [];
  // As text, because nft 1.0.6 can print half a document where a table has exactly one flag.
  for (const line of (await nftOutput(["list", "tables"])).split("\n")) {
    const [, family, name] = line.split(" ");
    if (family === undefined || name === undefined) continue;
    const address = { family: family as TableFamily, name };
    const listing = await listTable(address, { isTerse: false });
    // Without a listing it is gone since the tables were listed.
    if (listing === undefined) continue;
    tables.push(...readTables(await withTrueFlags(listing, address)));
  }
  return tables;
}
