import type { ForeignTable } from "../../ports/kernel.ts";
import { nftOutput, runNft } from "./run-nft.ts";

/** With the owner of each table that has one. */
export function withOwners(tables: readonly ForeignTable[]): Promise<readonly ForeignTable[]> {
  return Promise.all(
    tables.map(async (table) =>
      (await isOwned(table)) ? { ...table, owner: await ownerOf(table) } : table,
    ),
  );
}

/** The kernel refuses a table of another's to whoever names it, in a trial too (nf_tables_api.c, nft_table_lookup). */
async function isOwned({ family, name }: ForeignTable): Promise<boolean> {
  const { stderr } = await runNft(["--check", `add table ${family} ${name}`]);
  return stderr.includes("Operation not permitted");
}

/** nft 1.0.6 says it in its text alone: `table inet firewalld { # progname firewalld`. */
async function ownerOf({ family, name }: ForeignTable): Promise<string> {
  const text = await nftOutput(["-t", "list", "table", family, name]);
  return /# progname (.+)$/m.exec(text)?.[1]?.trim() ?? "another process";
}
