import { expect, test } from "vitest";
import type { BridgeFacts } from "../../src/model/inventory.ts";
import { caseFolders } from "../world/case-folders.ts";
import { compileCase } from "../world/compile-case.ts";
import { firstColumnWords, readDocument } from "./documents.ts";

/** `alias_admin4` and `egress/web` stand on the page as `alias_…4` and `egress/…`. */
function asDocumented(name: string): string {
  return name
    .replace(/^(alias|group)_.*([46])$/, "$1_…$2")
    .replace(/^(egress|ingress|from|to|var)\/.*$/, "$1/…");
}

/** Of a kernel that knows connections on bridges by itself, and answers there. */
const ableBridges: BridgeFacts = { filtered: [], isTracked: true, canReject: true };

test("docs/nft.md names every set, map and chain that any case makes, and no other", async () => {
  const page = readDocument("docs/nft.md");
  const bridgeParts = page.match(/In `bridge virtwall`: [\s\S]*?\n\n/g) ?? [];
  const documented = new Set([
    ...firstColumnWords(page),
    ...[...bridgeParts.join("").matchAll(/`([\w/…]+)`/g)].map(([, word = ""]) => word),
  ]);
  const made = new Set<string>();
  for (const { folder } of caseFolders("packets.txt")) {
    const here = await compileCase(folder);
    const elsewhere = await compileCase(folder, undefined, ableBridges);
    for (const { sets, chains } of [...here.tables, ...elsewhere.tables]) {
      for (const { name } of [...sets, ...chains]) made.add(asDocumented(name));
    }
  }
  documented.delete("isolate");
  expect([...made].toSorted()).toEqual([...documented].toSorted());
});
