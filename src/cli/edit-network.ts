import { Document, isMap, isScalar, parseDocument, type YAMLMap } from "yaml";

/** Keys of a network in the policy file, as they are written there. */
export interface NetworkEdit {
  readonly mode?: string;
  readonly nat?: Readonly<Record<string, string | boolean>>;
}

/** Whether the text says anything of the network. */
export function namesNetwork(text: string, network: string): boolean {
  return parseDocument(text).hasIn(["networks", network]);
}

/** Adds keys that are not there yet; comments and layout elsewhere stay. Expects YAML that parses to a mapping or nothing. */
export function addNetworkKeys(text: string, network: string, edit: NetworkEdit): string {
  const fresh = appended(text, network, edit);
  if (fresh !== undefined) return fresh;
  const document = open(text);
  const path = ["networks", network];
  clearEmpty(document, path);
  if (edit.mode !== undefined) document.setIn([...path, "mode"], edit.mode);
  for (const [key, value] of Object.entries(edit.nat ?? {})) {
    clearEmpty(document, [...path, "nat"]);
    document.setIn([...path, "nat", key], value);
  }
  return print(document);
}

/** Takes out the keys of an earlier edit where they still have its values, and what is empty then. */
export function removeNetworkKeys(text: string, network: string, edit: NetworkEdit): string {
  const document = parseDocument(text);
  const path = ["networks", network];
  const keys = [
    ...Object.entries(edit.nat ?? {}).map(([key, value]) => [["nat", key], value] as const),
    [["mode"], edit.mode] as const,
  ];
  let isChanged = false;
  for (const [key, value] of keys) {
    if (value === undefined || document.getIn([...path, ...key]) !== value) continue;
    document.deleteIn([...path, ...key]);
    isChanged = true;
  }
  if (!isChanged) return text;
  for (const empty of [[...path, "nat"], path]) {
    const node = document.getIn(empty);
    if (isMap(node) && node.items.length === 0) document.deleteIn(empty);
  }
  return print(document);
}

/** A text that says nothing of networks keeps every byte: they are written behind it. */
function appended(text: string, network: string, edit: NetworkEdit): string | undefined {
  const document = parseDocument(text);
  if (document.contents !== null && !isMap(document.contents)) return undefined;
  const isBlock = document.contents === null || (document.contents as YAMLMap).flow !== true;
  if (!isBlock || document.has("networks")) return undefined;
  const entry = new Document({ networks: { [network]: edit } });
  const inner = entry.getIn(["networks", network]);
  if (isMap(inner)) inner.flow = true;
  const lead = text === "" || text.endsWith("\n") ? "" : "\n";
  const whole = `${text}${lead}${print(entry)}`;
  const expected = { ...(document.toJS() as object | null), networks: { [network]: edit } };
  const parsed = parseDocument(whole);
  const isSame =
    parsed.errors.length === 0 && JSON.stringify(parsed.toJS()) === JSON.stringify(expected);
  return isSame ? whole : undefined;
}

function open(text: string): Document {
  const document = parseDocument(text);
  return document.contents === null ? new Document({}) : document;
}

/** A key without a value is null, under which nothing can be set. */
function clearEmpty(document: Document, path: readonly string[]): void {
  for (let length = 1; length <= path.length; length++) {
    const part = path.slice(0, length);
    const node: unknown = document.getIn(part, true);
    if (isScalar(node) && node.value === null) document.setIn(part, document.createNode({}));
  }
}

function print(document: Document): string {
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}
