import { createHash } from "node:crypto";
import { openSources } from "../edge/libvirt/open-sources.ts";
import type { Filter } from "../model/filter.ts";
import { parseInventory } from "../parse/inventory.ts";
import type { FilterTexts } from "../ports/sources.ts";
import type { Settings } from "./settings.ts";

/** A filter as it is in force, or would be. */
export interface KnownFilter {
  readonly filter: Filter;
  readonly uuid: string;
  /** `virtwall`: defined through it; `libvirt`: in libvirt's own folder; `stock`: everybody has it. */
  readonly from: "virtwall" | "libvirt" | "stock";
}

/** Every filter there is, in order of name. Asks no libvirt. */
export async function readFilters(settings: Settings): Promise<readonly KnownFilter[]> {
  const sources = openSources(settings);
  try {
    const texts = await sources.filters.read();
    const nothing = { networks: [], guests: [], leases: [] };
    const { filters } = parseInventory({ ...nothing, ...texts }, []).inventory;
    return [...(filters?.values() ?? [])]
      .map((filter) => ({ filter, uuid: uuidOf(filter), from: originOf(filter, texts) }))
      .toSorted((a, b) => (a.filter.name < b.filter.name ? -1 : 1));
  } finally {
    sources.close();
  }
}

/** By UUID or by name, as virsh takes it. */
export function findFilter(filters: readonly KnownFilter[], word: string): KnownFilter | undefined {
  return (
    filters.find(({ uuid }) => uuid === word.toLowerCase()) ??
    filters.find(({ filter }) => filter.name === word)
  );
}

function originOf({ at }: Filter, { ownFilters, filters }: FilterTexts): KnownFilter["from"] {
  const isIn = (texts: FilterTexts["filters"]) => texts.some(({ file }) => file === at.file);
  if (isIn(ownFilters)) return "virtwall";
  return isIn(filters) ? "libvirt" : "stock";
}

/** Its own, or one that follows from its name (RFC 9562, version 5), so that it stays the same from call to call. */
export function uuidOf({ uuid, name }: Filter): string {
  if (uuid !== undefined) return uuid;
  const hash = createHash("sha1").update(`https://virtwall.dev/filter/${name}`).digest();
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  return hash.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
