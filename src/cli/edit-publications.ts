import { Document, isMap, isScalar, isSeq, parseDocument, type YAMLMap, type YAMLSeq } from "yaml";

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
  const entry = document.createNode({
    ...(edit.address !== undefined && { address: edit.address }),
    ports: edit.ports,
    ...(edit.from.length > 0 && { from: edit.from }),
  });
  entry.flow = true;
  const path = ["guests", edit.guest, "publish"];
  const list = document.getIn(path);
  if (isSeq(list)) {
    list.add(entry);
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
  list.items = list.items.filter((entry) => {
    if (!isMap(entry) || !hasAddress(entry, edit.address)) return true;
    const left = takePorts(entry, edit.ports);
    count += left.taken;
    return left.taken === 0 || left.count > 0;
  });
  if (count === 0) return undefined;
  if (list.items.length === 0) document.deleteIn(["guests", edit.guest, "publish"]);
  return print(document);
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

function print(document: Document): string {
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}
