import { existsSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** A folder of test/cases: one promise of the product, in files that a stranger can read. */
export interface CaseFolder {
  readonly name: string;
  readonly folder: string;
  /** The folder of its inventory, which several cases may share. */
  readonly inventory: string;
}

const root = fileURLToPath(new URL("../cases", import.meta.url));

/** Every case that has the given file, by name. */
export function caseFolders(having: string): CaseFolder[] {
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(root, entry.name, having)))
    .map(({ name }) => caseFolder(name))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

export function caseFolder(name: string): CaseFolder {
  const folder = join(root, name);
  return { name, folder, inventory: realpathSync(join(folder, "inventory")) };
}

/** Cases that share an inventory share a world. */
export function byInventory(cases: readonly CaseFolder[]): ReadonlyMap<string, CaseFolder[]> {
  const groups = new Map<string, CaseFolder[]>();
  for (const one of cases) {
    groups.set(one.inventory, [...(groups.get(one.inventory) ?? []), one]);
  }
  return groups;
}
