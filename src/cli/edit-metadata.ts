import { parseMac, type Mac } from "../base/mac.ts";
import type { FilterParameters } from "../model/filter.ts";
import type { SourceText } from "../model/source-text.ts";
import { parseXmlText, type Xml } from "../parse/xml.ts";
import { isNamed, type PublicationEdit } from "./edit-publications.ts";

/** Adds a publication to a guest's element, the way `virsh metadata` shows and takes it: without a namespace. */
export function addToMetadata(text: string | undefined, edit: PublicationEdit): string {
  const words = [
    ...(edit.address === undefined ? [] : [["address", edit.address]]),
    ...edit.ports.map((ports) => ["ports", ports]),
    ...edit.from.map((from) => ["from", from]),
  ];
  const lines = words.map(([name = "", word = ""]) => element(name, word, 4));
  return insert(text, `  <publish>\n${lines.join("")}  </publish>\n`);
}

/** A filter for one nic, and the values of its variables. */
export interface BindingEdit {
  readonly mac: Mac;
  readonly filter: string;
  readonly parameters: FilterParameters;
}

/** Binds the filter to the nic, which has none yet and no parameters. */
export function addBindingToMetadata(text: string | undefined, edit: BindingEdit): string {
  const values = [...edit.parameters].flatMap(([name, all]) =>
    all.map((value) => element(name, value, 6)),
  );
  const parameters =
    values.length === 0 ? "" : `    <parameters>\n${values.join("")}    </parameters>\n`;
  const entry = element("filter", edit.filter, 4) + parameters;
  const nic = text === undefined ? undefined : nicIn(text, edit.mac);
  if (text === undefined || nic === undefined || nic.elements().length === 0) {
    const bare = text !== undefined && nic !== undefined ? cut(text, nic) : text;
    return insert(bare, `  <nics mac="${edit.mac}">\n${entry}  </nics>\n`);
  }
  const end = text.lastIndexOf("</", nic.range.end - 1);
  return `${text.slice(0, end).trimEnd()}\n${entry}  ${text.slice(end)}`;
}

/** Takes the nic's filter and parameters out; empty where nothing is left. */
export function removeBindingFromMetadata(text: string, mac: Mac): string {
  const nic = nicIn(text, mac);
  if (nic === undefined) return text;
  const isBinding = ({ localName }: Xml) => localName === "filter" || localName === "parameters";
  const [rest, gone] = [false, true].map((is) =>
    nic.elements().filter((child) => isBinding(child) === is),
  );
  const left = rest?.length === 0 ? cut(text, nic) : (gone ?? []).toReversed().reduce(cut, text);
  return rootOf(left)?.elements().length === 0 ? "" : left;
}

function nicIn(text: string, mac: Mac): Xml | undefined {
  const isIt = (xml: Xml) =>
    xml.localName === "nics" && parseMac(xml.attribute("mac") ?? "") === mac;
  return rootOf(text)?.elements().find(isIt);
}

function element(name: string, word: string, indent: number): string {
  return `${" ".repeat(indent)}<${name}>${escape(word)}</${name}>\n`;
}

/** As the last element of the guest's. */
function insert(text: string | undefined, entry: string): string {
  const root = text === undefined ? undefined : rootOf(text);
  if (text === undefined || root === undefined || root.elements().length === 0) {
    return `<guest>\n${entry}</guest>`;
  }
  const end = text.lastIndexOf("</", root.range.end);
  return `${text.slice(0, end).trimEnd()}\n${entry}${text.slice(end)}`;
}

/** Removes the ports from every publication at that address. Undefined where nothing matches; empty where nothing is left. */
export function removeFromMetadata(text: string, edit: PublicationEdit): string | undefined {
  const root = rootOf(text);
  const gone = (root?.elements() ?? []).flatMap((element) => {
    if (element.localName !== "publish" || !isAt(element, edit.address)) return [];
    const ports = element.elements().filter(({ localName }) => localName === "ports");
    const matching = ports.filter((port) => isNamed(port.text(), edit.ports));
    return matching.length > 0 && matching.length === ports.length ? [element] : matching;
  });
  if (root === undefined || gone.length === 0) return undefined;
  const left = gone.toReversed().reduce(cut, text);
  return rootOf(left)?.elements().length === 0 ? "" : left;
}

function rootOf(text: string): Xml | undefined {
  const source: SourceText = { file: "metadata", text };
  const parsed = parseXmlText(source, "guest");
  return "root" in parsed ? parsed.root : undefined;
}

function isAt(publication: Xml, address: string | undefined): boolean {
  const element = publication.elements().find(({ localName }) => localName === "address");
  return address === undefined || element?.text() === address;
}

/** With the white space before it. */
function cut(text: string, { range }: Xml): string {
  return text.slice(0, range.start).trimEnd() + text.slice(range.end);
}

function escape(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
