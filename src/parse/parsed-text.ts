import type { Place } from "../model/problem.ts";
import type { SourceText } from "../model/source-text.ts";
import type { MapEntry, Tree } from "./tree.ts";

/** A text and what YAML holds in it. */
export interface ParsedText {
  readonly source: SourceText;
  readonly tree: Tree;
}

/** By file. */
export type ParsedTexts = ReadonlyMap<string, ParsedText>;

/** Another number whenever the same text is understood as another tree, or a tree is printed otherwise. */
const version = 1;

/** As JSON. To parse that takes a small part of the time that YAML takes. */
export function printParsedTexts(texts: readonly ParsedText[]): string {
  const rows = texts
    .filter(({ tree }) => isJson(tree))
    .map(({ source: { file, text }, tree }) => [file, text, treeToJson(tree)]);
  return JSON.stringify({ version, texts: rows });
}

/** What was printed; nothing where this version has not printed it. */
export function readParsedTexts(printed: string): ParsedTexts {
  try {
    const json = JSON.parse(printed) as { version?: unknown; texts?: unknown } | null;
    if (json?.version !== version) return new Map();
    const texts = asList(json.texts).map((row) => {
      const [file, text, tree] = asList(row);
      if (typeof file !== "string" || typeof text !== "string") throw notPrinted();
      return [file, { source: { file, text }, tree: treeOf(tree, file) }] as const;
    });
    return new Map(texts);
  } catch {
    // Whatever is wrong with it: the texts themselves are there to be read.
    return new Map();
  }
}

/** JSON knows neither all that YAML takes for a number (`.nan`, `.inf`) nor a zero below zero. */
function isJson(tree: Tree): boolean {
  switch (tree.kind) {
    case "scalar":
      return (
        typeof tree.value !== "number" ||
        (Number.isFinite(tree.value) && !Object.is(tree.value, -0))
      );
    case "list":
      return tree.items.every(isJson);
    case "map":
      return [...tree.entries.values()].every(({ value }) => isJson(value));
  }
}

/** A scalar is a list (line, column, value, and the source where it differs); the others are objects. */
function treeToJson(tree: Tree): unknown {
  const { line, column } = tree.at;
  switch (tree.kind) {
    case "scalar":
      return [line, column, tree.value, ...(tree.value === tree.source ? [] : [tree.source])];
    case "list":
      return { at: [line, column], items: tree.items.map(treeToJson) };
    case "map": {
      const entries = [...tree.entries].map(([key, { keyAt, value }]) => [
        key,
        keyAt.line,
        keyAt.column,
        treeToJson(value),
      ]);
      return { at: [line, column], entries };
    }
  }
}

function treeOf(json: unknown, file: string): Tree {
  if (Array.isArray(json)) return scalarOf(json, file);
  if (typeof json !== "object" || json === null) throw notPrinted();
  const { at: place, items, entries } = json as Record<string, unknown>;
  const [line, column] = asList(place);
  const at = placeOf(file, line, column);
  if (items === undefined) return { kind: "map", at, entries: entriesOf(entries, file) };
  return { kind: "list", at, items: asList(items).map((item) => treeOf(item, file)) };
}

function scalarOf([line, column, value, source = value]: readonly unknown[], file: string): Tree {
  const isPlain = value === null || ["string", "number", "boolean"].includes(typeof value);
  if (!isPlain || typeof source !== "string") throw notPrinted();
  const at = placeOf(file, line, column);
  return { kind: "scalar", at, value: value as string | number | boolean | null, source };
}

function entriesOf(json: unknown, file: string): Map<string, MapEntry> {
  const entries = new Map<string, MapEntry>();
  for (const entry of asList(json)) {
    const [key, line, column, value] = asList(entry);
    if (typeof key !== "string") throw notPrinted();
    entries.set(key, { keyAt: placeOf(file, line, column), value: treeOf(value, file) });
  }
  return entries;
}

function notPrinted(): Error {
  return new Error("this was not printed here");
}

function placeOf(file: string, line: unknown, column: unknown): Place {
  if (typeof line !== "number" || typeof column !== "number") throw notPrinted();
  return { file, line, column };
}

function asList(json: unknown): readonly unknown[] {
  if (!Array.isArray(json)) throw notPrinted();
  return json;
}
