import {
  Document,
  isMap,
  isNode,
  isScalar,
  parseDocument,
  type Node,
  type Pair,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";

/** Where a line goes in, and how far to the right. */
export interface LinePlace {
  readonly offset: number;
  readonly indent: string;
}

/** The line after the last item of a list or mapping, where it is written in block style with an item a line. */
export function afterLastItem(text: string, collection: YAMLSeq | YAMLMap): LinePlace | undefined {
  const extent = extentOf(collection.items.at(-1));
  if (collection.flow === true || extent === undefined) return undefined;
  const start = lineStart(text, extent.first);
  const lead = isMap(collection) ? /^( *)\S/ : /^( *)- /;
  const indent = lead.exec(text.slice(start))?.[1];
  if (indent === undefined || (isMap(collection) && start + indent.length !== extent.first)) {
    return undefined;
  }
  return { offset: nextLine(text, Math.max(extent.last - 1, start)), indent };
}

export function insertLine(text: string, { offset, indent }: LinePlace, line: string): string {
  const before = text.slice(0, offset);
  const lead = before === "" || before.endsWith("\n") ? "" : "\n";
  return `${before}${lead}${indent}${line}\n${text.slice(offset)}`;
}

/** The text without the lines on which these items of a block collection stand, which are in the order of the text. */
export function withoutLines(text: string, items: readonly (Node | Pair)[]): string {
  let rest = text;
  for (const item of items.toReversed()) {
    const extent = extentOf(item);
    if (extent === undefined) continue;
    const start = lineStart(rest, extent.first);
    rest = rest.slice(0, start) + rest.slice(nextLine(rest, Math.max(extent.last - 1, start)));
  }
  return rest;
}

/** A text that was cut by hand counts only if it says what the edited document says; otherwise the whole is printed anew. */
export function sameOr(document: Document, text: string | undefined): string {
  if (text === undefined) return print(document);
  const cut = parseDocument(text);
  const isSame =
    cut.errors.length === 0 && JSON.stringify(cut.toJS()) === JSON.stringify(document.toJS());
  return isSame ? text : print(document);
}

/** A key without a value is null, under which nothing can be set. */
export function clearEmpty(document: Document, path: readonly string[]): void {
  for (let length = 1; length <= path.length; length++) {
    const part = path.slice(0, length);
    const node: unknown = document.getIn(part, true);
    if (isScalar(node) && node.value === null) document.setIn(part, document.createNode({}));
    const map: unknown = document.getIn(part, true);
    if (isMap(map) && map.items.length === 0) map.flow = false;
  }
}

/** What a text says, to be edited: a text that says nothing as an empty mapping. */
export function openDocument(text: string): Document {
  const document = parseDocument(text);
  return document.contents === null ? withComments(document) : document;
}

/** A file of comments alone has no node to add to. */
function withComments(empty: Document): Document {
  const document = new Document({});
  const comment = [empty.commentBefore, empty.comment].filter(Boolean).join("\n");
  if (comment !== "") document.commentBefore = comment;
  if (isMap(document.contents)) document.contents.flow = false;
  return document;
}

export function print(document: Document): string {
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

function extentOf(item: unknown): { readonly first: number; readonly last: number } | undefined {
  if (isNode(item)) return item.range ? { first: item.range[0], last: item.range[1] } : undefined;
  const { key, value } = (item ?? {}) as Partial<Pair>;
  if (!isNode(key) || !key.range) return undefined;
  const last = isNode(value) && value.range ? value.range[1] : key.range[1];
  return { first: key.range[0], last };
}

function lineStart(text: string, offset: number): number {
  return text.lastIndexOf("\n", offset) + 1;
}

function nextLine(text: string, offset: number): number {
  const end = text.indexOf("\n", offset);
  return end < 0 ? text.length : end + 1;
}
