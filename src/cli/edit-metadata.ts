import type { SourceText } from "../model/source-text.ts";
import { parseXmlText, type Xml } from "../parse/xml.ts";
import type { PublicationEdit } from "./edit-publications.ts";

/** Adds a publication to a guest's element, the way `virsh metadata` shows and takes it: without a namespace. */
export function addToMetadata(text: string | undefined, edit: PublicationEdit): string {
  const words = [
    ...(edit.address === undefined ? [] : [["address", edit.address]]),
    ...edit.ports.map((ports) => ["ports", ports]),
    ...edit.from.map((from) => ["from", from]),
  ];
  const lines = words.map(([name = "", word = ""]) => `    <${name}>${escape(word)}</${name}>\n`);
  const entry = `  <publish>\n${lines.join("")}  </publish>\n`;
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
    const matching = ports.filter((port) => edit.ports.includes(port.text()));
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
