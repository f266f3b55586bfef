import type { Place } from "../model/problem.ts";

/** What YAML holds, with the place of each part. */
export type Tree = MapTree | ListTree | ScalarTree;

export interface MapTree {
  readonly kind: "map";
  readonly at: Place;
  readonly entries: ReadonlyMap<string, MapEntry>;
}

export interface MapEntry {
  readonly keyAt: Place;
  readonly value: Tree;
}

export interface ListTree {
  readonly kind: "list";
  readonly at: Place;
  readonly items: readonly Tree[];
}

export interface ScalarTree {
  readonly kind: "scalar";
  readonly at: Place;
  readonly value: string | number | boolean | null;
  /** As written, before YAML made a number or a boolean of it. */
  readonly source: string;
}

export type TreePath = readonly (string | number)[];

/** Empty and `null`: where a mapping is expected they stand for an empty one. */
export function isNull(tree: Tree): boolean {
  return tree.kind === "scalar" && tree.value === null;
}

/** The value without places. Keys that are no own property of an object (`__proto__`) never get this far: see policy-yaml.ts. */
export function plainOf(tree: Tree): unknown {
  switch (tree.kind) {
    case "scalar":
      return tree.value;
    case "list":
      return tree.items.map(plainOf);
    case "map":
      return Object.fromEntries([...tree.entries].map(([key, { value }]) => [key, plainOf(value)]));
  }
}

/** The deepest part of the tree that the path leads to, and whether that is the whole path. */
export function walk(tree: Tree, path: TreePath): { tree: Tree; complete: boolean } {
  let current = tree;
  for (const step of path) {
    const next = child(current, step);
    if (next === undefined) return { tree: current, complete: false };
    current = next;
  }
  return { tree: current, complete: true };
}

/** The entry that the path leads to, which names keys alone. */
export function entryAt(tree: Tree, path: readonly string[]): MapEntry | undefined {
  const parent = walk(tree, path.slice(0, -1));
  return parent.complete && parent.tree.kind === "map"
    ? parent.tree.entries.get(path.at(-1) ?? "")
    : undefined;
}

/** The same some lines further down. */
export function moved(entry: MapEntry, lines: number): MapEntry {
  if (lines === 0) return entry;
  const place = (at: Place): Place => ({ ...at, line: at.line + lines });
  const move = (tree: Tree): Tree => {
    const at = place(tree.at);
    if (tree.kind === "scalar") return { ...tree, at };
    if (tree.kind === "list") return { ...tree, at, items: tree.items.map(move) };
    const entries = [...tree.entries].map(([key, inner]) => [key, moved(inner, lines)] as const);
    return { ...tree, at, entries: new Map(entries) };
  };
  return { keyAt: place(entry.keyAt), value: move(entry.value) };
}

/** The place of the key that leads to the end of the path, or of the value where no key does. */
export function keyPlace(tree: Tree, path: TreePath): Place {
  const parent = walk(tree, path.slice(0, -1)).tree;
  const entry = parent.kind === "map" ? parent.entries.get(String(path.at(-1))) : undefined;
  return entry?.keyAt ?? walk(tree, path).tree.at;
}

/** The tree without the parts at the given paths, which leave no hole in a list. */
export function without(tree: Tree, paths: readonly TreePath[]): Tree {
  const here = new Map<string, TreePath[]>();
  for (const path of paths) {
    const [step, ...rest] = path;
    if (step === undefined) continue;
    const below = here.get(String(step));
    if (below === undefined) here.set(String(step), [rest]);
    else below.push(rest);
  }
  if (here.size === 0 || tree.kind === "scalar") return tree;
  const prune = (step: string, value: Tree): Tree[] => {
    const below = here.get(step);
    if (below === undefined) return [value];
    return below.some((path) => path.length === 0) ? [] : [without(value, below)];
  };
  if (tree.kind === "list") {
    return { ...tree, items: tree.items.flatMap((item, index) => prune(String(index), item)) };
  }
  const entries = [...tree.entries].flatMap(([key, entry]) =>
    prune(key, entry.value).map((value) => [key, { ...entry, value }] as const),
  );
  return { ...tree, entries: new Map(entries) };
}

function child(tree: Tree, step: string | number): Tree | undefined {
  if (tree.kind === "map") return tree.entries.get(String(step))?.value;
  return tree.kind === "list" ? tree.items[Number(step)] : undefined;
}
