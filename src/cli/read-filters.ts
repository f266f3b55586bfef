import { createHash } from "node:crypto";
import { openSources } from "../edge/libvirt/open-sources.ts";
import { StateFolder } from "../edge/files/state-folder.ts";
import { stockFile, type Filter } from "../model/filter.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Place } from "../model/problem.ts";
import { parseInventory } from "../parse/inventory.ts";
import type { FilterTexts } from "../ports/sources.ts";
import { ComplaintError } from "./exit-status.ts";
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
  return filtersIn(await readTexts(settings));
}

/** Files of virtwall's own definitions that have errors, by name. */
export async function readBrokenFilters(settings: Settings): Promise<ReadonlyMap<string, string>> {
  const { brokenFilters = new Map<string, Place>() } = inventoryIn(await readTexts(settings));
  return new Map([...brokenFilters].map(([name, { file }]) => [name, file]));
}

async function readTexts(settings: Settings): Promise<FilterTexts> {
  const sources = openSources(settings);
  try {
    return await sources.filters.read();
  } finally {
    sources.close();
  }
}

/** Those that were in force last: a definition that is gone or broken since is still there. */
export async function readFormerFilters(settings: Settings): Promise<readonly KnownFilter[]> {
  const saved = await new StateFolder(settings.stateFolder).load().catch(() => undefined);
  return saved?.filters === undefined ? [] : filtersIn(saved.filters);
}

function filtersIn(texts: FilterTexts): KnownFilter[] {
  return [...(inventoryIn(texts).filters?.values() ?? [])]
    .map((filter) => ({ filter, uuid: uuidOf(filter), from: originOf(filter) }))
    .toSorted((a, b) => (a.filter.name < b.filter.name ? -1 : 1));
}

function inventoryIn(texts: FilterTexts): Inventory {
  return parseInventory({ networks: [], guests: [], leases: [], ...texts }, []).inventory;
}

/** By UUID or by name, as virsh takes it. */
export function findFilter(filters: readonly KnownFilter[], word: string): KnownFilter | undefined {
  return (
    filters.find(({ uuid }) => uuid === word.toLowerCase()) ??
    filters.find(({ filter }) => filter.name === word)
  );
}

/** In virsh's words. */
export function unknownFilter(word: string): ComplaintError {
  return new ComplaintError(
    `failed to get nwfilter '${word}': no nwfilter with matching name or uuid`,
  );
}

function originOf({ origin, at }: Filter): KnownFilter["from"] {
  if (origin !== undefined) return "virtwall";
  return at.file === stockFile ? "stock" : "libvirt";
}

/** Its own, or one that follows from its name (RFC 9562, version 5), so that it stays the same from call to call. */
export function uuidOf({ uuid, name }: Filter): string {
  if (uuid !== undefined) return uuid;
  const hash = createHash("sha1").update(`https://virtwall.dev/filter/${name}`).digest();
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  return hash.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
