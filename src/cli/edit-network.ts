import { Document, isMap, isScalar, parseDocument, type Pair, type YAMLMap } from "yaml";

import {
  afterLastItem,
  clearEmpty,
  insertLine,
  openDocument,
  print,
  sameOr,
  withoutLines,
} from "./yaml-lines.ts";

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
  const document = openDocument(text);
  const path = ["networks", network];
  clearEmpty(document, path);
  if (edit.mode !== undefined) document.setIn([...path, "mode"], edit.mode);
  for (const [key, value] of Object.entries(edit.nat ?? {})) {
    clearEmpty(document, [...path, "nat"]);
    document.setIn([...path, "nat", key], value);
  }
  return sameOr(document, withKeys(text, network, edit));
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
  for (const empty of [[...path, "nat"], path, ["networks"]]) {
    const node = document.getIn(empty);
    if (isMap(node) && node.items.length === 0) document.deleteIn(empty);
  }
  return sameOr(document, withoutKeys(text, network, document.getIn(path)));
}

/** The text with the keys written into it, or undefined where its style has no line for them. */
function withKeys(text: string, network: string, edit: NetworkEdit): string | undefined {
  const document = parseDocument(text);
  const { contents } = document;
  if (contents !== null && (!isMap(contents) || contents.flow === true)) return undefined;
  if (!document.has("networks")) {
    const lead = text === "" || text.endsWith("\n") ? "" : "\n";
    return `${text}${lead}networks:\n  ${entryLine(network, edit)}\n`;
  }
  const networks = document.get("networks");
  if (!isMap(networks)) return undefined;
  const entry = networks.get(network);
  if (!networks.has(network)) return inserted(text, networks, [entryLine(network, edit)]);
  if (!isMap(entry)) return undefined;
  if (entry.flow === true) {
    const old = entry.toJSON() as NetworkEdit;
    const nat = { ...old.nat, ...edit.nat };
    return replaced(text, entry, { ...old, ...edit, ...(edit.nat && { nat }) });
  }
  return inserted(
    text,
    entry,
    Object.entries(edit).map(([key, value]) => entryLine(key, value)),
  );
}

/** The text without what is not `left` of the network, or undefined as above. */
function withoutKeys(text: string, network: string, left: unknown): string | undefined {
  const document = parseDocument(text);
  const networks = document.get("networks");
  if (!isMap(networks)) return undefined;
  if (!isMap(left)) {
    const isLast = networks.items.length === 1;
    const gone = isLast ? pairOf(document.contents, "networks") : pairOf(networks, network);
    return gone && withoutLines(text, [gone]);
  }
  const entry = networks.get(network);
  if (!isMap(entry)) return undefined;
  if (entry.flow === true) return replaced(text, entry, left.toJSON());
  const gone = entry.items.filter(({ key }) => isScalar(key) && !left.has(key.value));
  return withoutLines(text, gone);
}

function inserted(text: string, map: YAMLMap, lines: readonly string[]): string | undefined {
  const place = afterLastItem(text, map);
  return place && lines.toReversed().reduce((all, line) => insertLine(all, place, line), text);
}

/** A mapping in braces stands in its line again. */
function replaced(text: string, { range }: YAMLMap, value: unknown): string | undefined {
  if (!range) return undefined;
  const document = new Document(value);
  if (isMap(document.contents)) document.contents.flow = true;
  return text.slice(0, range[0]) + print(document).trimEnd() + text.slice(range[1]);
}

/** `default: { mode: nat }` */
function entryLine(key: string, value: unknown): string {
  const document = new Document({ [key]: value });
  const inner = document.get(key);
  if (isMap(inner)) inner.flow = true;
  return print(document).trimEnd();
}

function pairOf(map: unknown, name: string): Pair | undefined {
  if (!isMap(map)) return undefined;
  return map.items.find(({ key }) => isScalar(key) && key.value === name);
}
