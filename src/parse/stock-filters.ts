import { parseFilterXml } from "./filter-xml.ts";
import { stockTexts } from "./stock-texts.ts";
import type { Filter } from "../model/filter.ts";

/** The filters that everybody has, by name. */
export const stockFilters: ReadonlyMap<string, Filter> = new Map(
  stockTexts.map((text) => {
    const { filter, problems } = parseFilterXml(
      { file: "stock filter", text },
      { isCompat: false },
    );
    if (filter === undefined) throw new Error(problems.map(({ message }) => message).join("\n"));
    return [filter.name, filter];
  }),
);
