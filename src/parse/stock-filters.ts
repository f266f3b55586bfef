import { parseFilterXml } from "./filter-xml.ts";
import { stockTexts } from "./stock-texts.ts";
import { stockFile, type Filter } from "../model/filter.ts";

let parsed: ReadonlyMap<string, Filter> | undefined;

/** The filters that everybody has, by name. Parsed when they are first asked for: most commands ask for none. */
export function stockFilters(): ReadonlyMap<string, Filter> {
  parsed ??= new Map(stockTexts.map(parseStock));
  return parsed;
}

function parseStock(text: string): [name: string, filter: Filter] {
  const { filter, problems } = parseFilterXml({ file: stockFile, text }, { isCompat: false });
  if (filter === undefined) throw new Error(problems.map(({ message }) => message).join("\n"));
  return [filter.name, filter];
}
