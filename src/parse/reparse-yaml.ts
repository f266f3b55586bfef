import type { SourceText } from "../model/source-text.ts";
import type { ParsedText } from "./parsed-text.ts";
import { parsePiece, refuseUnread } from "./policy-yaml.ts";
import { entryAt, moved, type MapEntry, type Tree } from "./tree.ts";
import { splitPieces, splitSection, type Piece } from "./yaml-pieces.ts";

/** So many changed entries are always few. */
const few = 16;

/**
 * What the text holds, made of what it held before and the few entries that have changed: the others are the same objects, or the same
 * at another place. The whole text read as YAML gives an equal tree. Undefined where it must be read so: it has problems, another form,
 * or little in common with the text before.
 */
export function reparseYaml(source: SourceText, before: ParsedText): Tree | undefined {
  const pieces = piecesOf(source);
  const old = pieces && splitPieces(before.source.text);
  if (pieces === undefined || old === undefined) return undefined;
  // The lines of a header say nothing of what stood below it.
  const known = new Map(
    old.filter((_, i) => !isHeader(old, i)).map((piece) => [keyOf(piece), piece]),
  );
  const isSame = (piece: Piece) => known.get(keyOf(piece))?.text === piece.text;
  const changed = pieces.filter((piece) => !isSame(piece)).length;
  if (changed > Math.max(few, pieces.length / 4)) return undefined;
  const entryOf = (piece: Piece): MapEntry | undefined => {
    const former = known.get(keyOf(piece));
    if (former?.text !== piece.text) return parsePiece(source.file, piece);
    const entry = entryAt(before.tree, piece.path);
    return entry && moved(entry, piece.line - former.line);
  };
  return treeOf(source, pieces, entryOf);
}

/**
 * What the text holds, read entry by entry: a quarter quicker than as a whole, since what the yaml package makes of an entry is garbage
 * when the next one begins. Undefined as of {@link reparseYaml}.
 */
export function parseInPieces(source: SourceText): Tree | undefined {
  const pieces = piecesOf(source);
  return pieces && treeOf(source, pieces, (piece) => parsePiece(source.file, piece));
}

function piecesOf(source: SourceText): readonly Piece[] | undefined {
  return refuseUnread(source) === undefined ? splitPieces(source.text) : undefined;
}

/** A section's own line, with names below it that are pieces themselves. */
function isHeader(pieces: readonly Piece[], index: number): boolean {
  return pieces[index]?.path.length === 1 && pieces[index + 1]?.path.length === 2;
}

function keyOf({ path }: Piece): string {
  return path.join("/");
}

/** Undefined where a piece has no entry, or two have one name. */
function treeOf(
  { file }: SourceText,
  pieces: readonly Piece[],
  entryOf: (piece: Piece) => MapEntry | undefined,
): Tree | undefined {
  const names = new Map<string, MapEntry>();
  const sections = new Map<string, MapEntry>();
  for (const [index, piece] of pieces.entries()) {
    const [section = "", name] = piece.path;
    const keyAt = { file, line: piece.line, column: 1 };
    const empty: Tree = { kind: "map", at: keyAt, entries: names };
    const entry = isHeader(pieces, index) ? { keyAt, value: empty } : entryOf(piece);
    const entries = name === undefined ? sections : names;
    if (entry === undefined || entries.has(name ?? section)) return undefined;
    entries.set(name ?? section, entry);
  }
  return mapOf(sections, names);
}

/** A map stands where its first key does. */
function mapOf(
  sections: Map<string, MapEntry>,
  names: ReadonlyMap<string, MapEntry>,
): Tree | undefined {
  const [firstName] = names.values();
  const split = sections.get(splitSection);
  if (firstName !== undefined && split !== undefined) {
    const value: Tree = { kind: "map", at: firstName.keyAt, entries: names };
    sections.set(splitSection, { keyAt: split.keyAt, value });
  }
  const [first] = sections.values();
  return first && { kind: "map", at: first.keyAt, entries: sections };
}
