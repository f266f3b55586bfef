import { append } from "../base/append.ts";
import { duplicate } from "./policy-yaml.ts";
import { isNull } from "./tree.ts";
import type { Problem } from "../model/problem.ts";
import type { MapEntry, MapTree, Tree } from "./tree.ts";

/** Mappings merge deeply; anything else given twice is a problem, and the first stays. */
export function mergeTrees(
  first: Tree,
  second: Tree,
  name: string,
): { tree: Tree; problems: Problem[] } {
  if (isNull(second)) return { tree: first, problems: [] };
  if (isNull(first)) return { tree: second, problems: [] };
  if (first.kind === "map" && second.kind === "map") return mergeMaps(first, second);
  return { tree: first, problems: [duplicate(name, second.at, first.at)] };
}

function mergeMaps(first: MapTree, second: MapTree): { tree: Tree; problems: Problem[] } {
  const entries = new Map<string, MapEntry>(first.entries);
  const problems: Problem[] = [];
  for (const [key, entry] of second.entries) {
    const old = entries.get(key);
    if (old === undefined) {
      entries.set(key, entry);
      continue;
    }
    const isBothMap = entry.value.kind === "map" && old.value.kind === "map";
    if (isBothMap || isNull(entry.value) || isNull(old.value)) {
      const merged = mergeTrees(old.value, entry.value, key);
      entries.set(key, { keyAt: old.keyAt, value: merged.tree });
      append(problems, merged.problems);
    } else {
      problems.push(duplicate(key, entry.keyAt, old.keyAt));
    }
  }
  return { tree: { ...first, entries }, problems };
}
