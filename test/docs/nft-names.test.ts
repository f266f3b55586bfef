import { expect, test } from "vitest";
import type { BridgeFacts } from "../../src/model/inventory.ts";
import { caseFolder, caseFolders } from "../world/case-folders.ts";
import { compileCase } from "../world/compile-case.ts";
import { firstColumnWords, readDocument } from "./documents.ts";

/** `alias_admin4` and `egress/web` stand on the page as `alias_…4` and `egress/…`. */
function asDocumented(name: string): string {
  return name
    .replace(/^(alias|group)_.*([46])$/, "$1_…$2")
    .replace(/^(egress|ingress|from|over|to|var)\/.*$/, "$1/…");
}

/** For one of the cases. No case can do it by itself, as they are for every kernel. */
const limitedPolicy = `networks: { front: { mode: nat } }
guests: { web1: { filter: limited } }
`;

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
  const compiled = [
    compileCase(caseFolder("filters-packets").folder, limitedPolicy, ableBridges),
    ...caseFolders("packets.txt").flatMap(({ folder }) => [
      compileCase(folder),
      compileCase(folder, undefined, ableBridges),
    ]),
  ];
  for (const { sets, chains } of (await Promise.all(compiled)).flatMap(({ tables }) => tables)) {
    for (const { name } of [...sets, ...chains]) made.add(asDocumented(name));
  }
  documented.delete("isolate");
  expect([...made].toSorted()).toEqual([...documented].toSorted());
});
