import { isMap, isScalar, isSeq, parseDocument, type Node, type YAMLMap, type YAMLSeq } from "yaml";

import { editOwnLines, tellsOfGuest } from "./guest-lines.ts";
import {
  afterLastItem,
  clearEmpty,
  insertLine,
  openDocument,
  print,
  sameOr,
  withoutLines,
} from "./yaml-lines.ts";

/** Ports of a guest, in the words of the policy file. */
export interface PublicationEdit {
  readonly guest: string;
  readonly ports: readonly string[];
  readonly address?: string;
  readonly from: readonly string[];
}

/** Adds a publication to the policy text; comments and layout elsewhere stay. Expects YAML that parses to a mapping or nothing. */
export function addPublication(text: string, edit: PublicationEdit): string {
  const add = (policy: string) => addTo(policy, edit);
  return editOwnLines(text, edit.guest, add)?.text ?? add(text);
}

function addTo(text: string, edit: PublicationEdit): string {
  const document = openDocument(text);
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
    clearEmpty(document, path.slice(0, -1));
    document.setIn(path, document.createNode([]));
    const fresh = document.getIn(path) as YAMLSeq;
    fresh.flow = false;
    fresh.add(entry);
  }
  return print(document);
}

/** Removes the ports from every publication of the guest at that address. Undefined where nothing matches. */
export function removePublication(text: string, edit: PublicationEdit): string | undefined {
  const remove = (policy: string) => removeFrom(policy, edit);
  const edited = editOwnLines(text, edit.guest, remove) ?? { text: remove(text) };
  return edited.text;
}

function removeFrom(text: string, edit: PublicationEdit): string | undefined {
  const document = openDocument(text);
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
  return tellsOfGuest(text, guest) ?? parseDocument(text).hasIn(["guests", guest]);
}

function hasAddress(entry: YAMLMap, address: string | undefined): boolean {
  return address === undefined || entry.get("address") === address;
}

/** Whether the ports that are written are those that are named, for which the public ones are enough: of `tcp/2222:22` `tcp/2222`. */
export function isNamed(written: string, named: readonly string[]): boolean {
  return named.includes(written) || named.includes(written.replace(/:.*/, ""));
}

/** `ports` is one word or a list of them. */
function takePorts(
  entry: YAMLMap,
  ports: readonly string[],
): { readonly taken: number; readonly count: number } {
  const node = entry.get("ports");
  if (!isSeq(node)) return { taken: isNamed(String(node), ports) ? 1 : 0, count: 0 };
  const before = node.items.length;
  node.items = node.items.filter(
    (item) => !isNamed(String(isScalar(item) ? item.value : item), ports),
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
