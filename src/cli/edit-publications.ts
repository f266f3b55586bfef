import {
  Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  parseDocument,
  type Node,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";

/** One port of a guest, in the words of the policy file. */
export interface PublicationEdit {
  readonly guest: string;
  readonly ports: readonly string[];
  readonly address?: string;
  readonly from: readonly string[];
}

/** Adds a publication to the policy text; comments and layout elsewhere stay. Expects YAML that parses to a mapping or nothing. */
export function addPublication(text: string, edit: PublicationEdit): string {
  const document = open(text);
  const data = {
    ...(edit.address !== undefined && { address: edit.address }),
    ports: edit.ports,
    ...(edit.from.length > 0 && { from: edit.from }),
  };
  const entry = document.createNode(data);
  entry.flow = true;
  const path = ["guests", edit.guest, "publish"];
  const list = document.getIn(path);
  if (isSeq(list)) {
    const place = afterLastItem(text, list);
    list.add(entry);
    const line = `- ${printEntry(data)}`;
    if (place) return sameOr(document, insertLine(text, place, line));
  } else {
    clearEmpty(document, path);
    document.setIn(path, document.createNode([]));
    const fresh = document.getIn(path) as YAMLSeq;
    fresh.flow = false;
    fresh.add(entry);
  }
  return print(document);
}

/** Removes the ports from every publication of the guest at that address. Undefined where nothing matches. */
export function removePublication(text: string, edit: PublicationEdit): string | undefined {
  const document = open(text);
  const list = document.getIn(["guests", edit.guest, "publish"]);
  if (!isSeq(list)) return undefined;
  let count = 0;
  const gone: Node[] = [];
  list.items = list.items.filter((entry) => {
    if (!isMap(entry) || !hasAddress(entry, edit.address)) return true;
    const left = takePorts(entry, edit.ports);
    count += left.taken;
    const isKept = left.taken === 0 || left.count > 0;
    if (!isKept) gone.push(entry);
    return isKept;
  });
  if (count === 0) return undefined;
  if (list.items.length === 0) document.deleteIn(["guests", edit.guest, "publish"]);
  return sameOr(document, withoutLines(text, gone));
}

/** Whether the text says anything of the guest. */
export function namesGuest(text: string, guest: string): boolean {
  return parseDocument(text).hasIn(["guests", guest]);
}

function open(text: string): Document {
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

/** `guests:` or `web1:` without a value is null, under which nothing can be set. */
function clearEmpty(document: Document, path: readonly string[]): void {
  for (let length = 1; length < path.length; length++) {
    const part = path.slice(0, length);
    const node: unknown = document.getIn(part, true);
    if (isScalar(node) && node.value === null) document.setIn(part, document.createNode({}));
    const map: unknown = document.getIn(part, true);
    if (isMap(map) && map.items.length === 0) map.flow = false;
  }
}

function hasAddress(entry: YAMLMap, address: string | undefined): boolean {
  return address === undefined || entry.get("address") === address;
}

/** `ports` is one word or a list of them. */
function takePorts(
  entry: YAMLMap,
  ports: readonly string[],
): { readonly taken: number; readonly count: number } {
  const node = entry.get("ports");
  if (!isSeq(node)) return { taken: ports.includes(String(node)) ? 1 : 0, count: 0 };
  const before = node.items.length;
  node.items = node.items.filter(
    (item) => !ports.includes(String(isScalar(item) ? item.value : item)),
  );
  return { taken: before - node.items.length, count: node.items.length };
}

/** As the documentation writes it: `{ address: 203.0.113.10, ports: [tcp/80, "tcp/2222:22"] }`. */
function printEntry(entry: Readonly<Record<string, string | readonly string[]>>): string {
  const fields = Object.entries(entry).map(([key, value]) => {
    const text =
      typeof value === "string" ? printScalar(value) : `[${value.map(printScalar).join(", ")}]`;
    return `${key}: ${text}`;
  });
  return `{ ${fields.join(", ")} }`;
}

function printScalar(text: string): string {
  return /^[A-Za-z0-9][A-Za-z0-9_./-]*$/.test(text) ? text : JSON.stringify(text);
}

interface LinePlace {
  readonly offset: number;
  readonly indent: string;
}

/** The line after the list's last item, where the list is written in block style with an item a line. */
function afterLastItem(text: string, list: YAMLSeq): LinePlace | undefined {
  const last: unknown = list.items.at(-1);
  if (list.flow === true || !isNode(last) || !last.range) return undefined;
  const lineStart = text.lastIndexOf("\n", last.range[0]) + 1;
  const indent = /^( *)- /.exec(text.slice(lineStart))?.[1];
  if (indent === undefined) return undefined;
  const lineEnd = text.indexOf("\n", Math.max(last.range[1] - 1, lineStart));
  return { offset: lineEnd < 0 ? text.length : lineEnd + 1, indent };
}

/** The text without the lines on which these items of a block list stand. */
function withoutLines(text: string, items: readonly Node[]): string {
  let rest = text;
  for (const { range } of items.toReversed()) {
    if (!range) continue;
    const start = rest.lastIndexOf("\n", range[0]) + 1;
    const end = rest.indexOf("\n", Math.max(range[1] - 1, start));
    rest = rest.slice(0, start) + (end < 0 ? "" : rest.slice(end + 1));
  }
  return rest;
}

function insertLine(text: string, { offset, indent }: LinePlace, line: string): string {
  const before = text.slice(0, offset);
  const lead = before === "" || before.endsWith("\n") ? "" : "\n";
  return `${before}${lead}${indent}${line}\n${text.slice(offset)}`;
}

/** A text that was cut by hand counts only if it says what the edited document says; otherwise the whole is printed anew. */
function sameOr(document: Document, text: string): string {
  const cut = parseDocument(text);
  const isSame =
    cut.errors.length === 0 && JSON.stringify(cut.toJS()) === JSON.stringify(document.toJS());
  return isSame ? text : print(document);
}

function print(document: Document): string {
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}
