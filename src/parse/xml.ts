import { parseXml, XmlElement, XmlError, XmlText } from "@rgrove/parse-xml";
import { placesOf } from "./text-places.ts";
import type { Place } from "../model/problem.ts";
import type { SourceText } from "../model/source-text.ts";

/** libvirt sends no longer string over its own protocol (REMOTE_STRING_MAX, libvirt 9.0 remote_protocol.x). */
const maxLength = 4 * 1024 * 1024;
/** libvirt's XML nests about ten deep, metadata apart; the reader recurses. */
const maxDepth = 200;

/** An element with its place. */
export interface Xml {
  readonly name: string;
  /** The name without its prefix. */
  readonly localName: string;
  readonly at: Place;
  /** Where it stands in the text, from its `<` to behind its last `>`; of a text with lines that end in `\n` alone. */
  readonly range: { readonly start: number; readonly end: number };
  /** The attribute's value; undefined if there is none. */
  attribute(name: string): string | undefined;
  /** Where the attribute stands; the element's place if there is none. */
  attributeAt(name: string): Place;
  child(name: string): Xml | undefined;
  children(name: string): readonly Xml[];
  /** Every element in it, in order. */
  elements(): readonly Xml[];
  /** Names of the attributes, declarations of namespaces apart. */
  attributeNames(): readonly string[];
  /** The namespace that it stands in; undefined for none. */
  namespace(): string | undefined;
  /** Whether text stands in it that is not white space, beside elements or alone. */
  hasText(): boolean;
  /** The text in it, without white space at both ends. */
  text(): string;
  /** The text in it as it stands there. */
  wholeText(): string;
}

/** Why a text is not the XML it should be. */
export interface XmlFault {
  readonly at: Place;
  readonly message: string;
}

/** Of an element: all that is in it, or the named children alone. */
export type Wanted = "whole" | { readonly [child: string]: Wanted };

/**
 * The root element, which has the given name, with what is wanted of it. Strict there, and safe on any text: documents with a DTD, and so
 * with entities of their own, are refused unread, as are those that are too long or nest too deep. Elements that are not wanted are as
 * good as absent: they are looked at for where they end, by the count of their tags alone.
 */
export function parseXmlText(
  source: SourceText,
  rootName: string,
  wanted: Wanted = "whole",
): { root: Xml } | { fault: XmlFault } {
  const start = { file: source.file, line: 1, column: 1 };
  if (source.text.length > maxLength) {
    return { fault: { at: start, message: `the text is larger than ${maxLength} characters` } };
  }
  // Offsets count in the text as the reader sees it: without a byte order mark, lines ended by \n alone.
  const text = source.text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  const placeAt = placesOf({ file: source.file, text });
  const skimmed = skim(text, wanted);
  if (typeof skimmed !== "string") {
    return { fault: { at: placeAt(skimmed.offset), message: skimmed.message } };
  }
  const root = readRoot(skimmed);
  if (!(root instanceof XmlElement)) {
    return { fault: { at: placeAt(root.offset), message: root.message } };
  }
  return root.name === rootName
    ? { root: located(root, { text, placeAt }) }
    : {
        fault: { at: placeAt(root.start), message: `the root element is not <${rootName}>` },
      };
}

function readRoot(text: string): XmlElement | { offset: number; message: string } {
  try {
    return (
      parseXml(text, { includeOffsets: true }).root ?? { offset: 0, message: "no root element" }
    );
  } catch (error) {
    if (!(error instanceof XmlError)) throw error;
    const message = (error.message.split("\n")[0] ?? "").replace(/ \(line \d+, column \d+\)$/, "");
    return { offset: error.pos, message: message.slice(0, 200) };
  }
}

/** The text that offsets count in, and its places. */
interface Document {
  readonly text: string;
  readonly placeAt: (offset: number) => Place;
}

function located(element: XmlElement, document: Document): Xml {
  const elements = element.children.filter(
    (node): node is XmlElement => node instanceof XmlElement,
  );
  let offsets: Map<string, number> | undefined;
  const children = (name: string) =>
    elements.filter((child) => child.name === name).map((child) => located(child, document));
  return {
    name: element.name,
    localName: element.name.slice(element.name.indexOf(":") + 1),
    at: document.placeAt(element.start),
    range: { start: element.start, end: element.end },
    attribute: (name) => element.attributes[name],
    attributeAt: (name) => {
      offsets ??= attributeOffsets(document.text, element.start);
      return document.placeAt(offsets.get(name) ?? element.start);
    },
    child: (name) => {
      const found = elements.find((child) => child.name === name);
      return found && located(found, document);
    },
    children,
    elements: () => elements.map((child) => located(child, document)),
    attributeNames: () =>
      Object.keys(element.attributes).filter((name) => !/^xmlns(:|$)/.test(name)),
    namespace: () => namespaceOf(element),
    hasText: () =>
      element.children.some((node) => node instanceof XmlText && node.text.trim() !== ""),
    text: () => element.text.trim(),
    wholeText: () => element.text,
  };
}

/** Where the names of attributes stand in the tag that starts at the offset. */
function attributeOffsets(text: string, tag: number): Map<string, number> {
  const attribute = /\s+([^\s=/>]+)\s*=\s*(?:"[^"]*"|'[^']*')/y;
  attribute.lastIndex = tag + text.slice(tag).search(/[\s/>]/);
  const offsets = new Map<string, number>();
  for (let match = attribute.exec(text); match !== null; match = attribute.exec(text)) {
    offsets.set(match[1] ?? "", match.index + match[0].search(/\S/));
  }
  return offsets;
}

/** What the nearest declaration says of the element's prefix, or of the absence of one. */
function namespaceOf(element: XmlElement): string | undefined {
  const colon = element.name.indexOf(":");
  const declaration = colon < 0 ? "xmlns" : `xmlns:${element.name.slice(0, colon)}`;
  let scope: unknown = element;
  while (scope instanceof XmlElement) {
    if (Object.hasOwn(scope.attributes, declaration)) return scope.attributes[declaration];
    scope = scope.parent;
  }
  return undefined;
}

/**
 * Before anything recurses: finds a DTD or too deep a nesting, and puts spaces in the place of what is not wanted, so that offsets
 * stay.
 */
function skim(text: string, wanted: Wanted): string | { offset: number; message: string } {
  let read = "";
  let readEnd = 0;
  const open: Wanted[] = [];
  for (let tag = nextTag(text, 0); tag !== undefined; tag = nextTag(text, tag.end)) {
    if (tag.kind === "declaration") {
      return { offset: tag.start, message: "a document type is refused" };
    }
    if (tag.kind === "end") open.pop();
    if (tag.kind === "end" || tag.kind === "empty") continue;
    const outer = open.at(-1);
    const inner = outer === undefined ? wanted : childOf(outer, text, tag);
    if (inner === undefined) {
      const end = elementEnd(text, tag);
      if (end === undefined) return { offset: tag.start, message: "the element does not end" };
      read += text.slice(readEnd, tag.start) + " ".repeat(end - tag.start);
      readEnd = end;
      tag = { ...tag, end };
      continue;
    }
    open.push(inner);
    if (open.length > maxDepth) {
      return { offset: tag.start, message: `elements nest more than ${maxDepth} deep` };
    }
  }
  return read + text.slice(readEnd);
}

function childOf(outer: Wanted, text: string, { start }: Tag): Wanted | undefined {
  if (outer === "whole") return outer;
  namePattern.lastIndex = start + 1;
  const name = namePattern.exec(text)?.[0] ?? "";
  return Object.hasOwn(outer, name) ? outer[name] : undefined;
}

const namePattern = /[^\s/>]*/y;

/** Where the element of a start tag ends, whatever is in it. */
function elementEnd(text: string, start: Tag): number | undefined {
  let depth = 1;
  for (let tag = nextTag(text, start.end); tag !== undefined; tag = nextTag(text, tag.end)) {
    if (tag.kind === "start") depth += 1;
    else if (tag.kind === "end") depth -= 1;
    if (depth === 0) return tag.end;
  }
  return undefined;
}

/** A tag from its `<` to behind its `>`, or what begins like a DTD. */
interface Tag {
  readonly kind: "start" | "end" | "empty" | "declaration";
  readonly start: number;
  readonly end: number;
}

function nextTag(text: string, from: number): Tag | undefined {
  for (let start = text.indexOf("<", from); start >= 0; start = text.indexOf("<", start)) {
    const skipped = skipNonElement(text, start);
    if (skipped !== undefined) {
      start = skipped;
      continue;
    }
    const end = tagEnd(text, start);
    return { kind: kindOf(text, start, end), start, end: end + 1 };
  }
  return undefined;
}

function kindOf(text: string, start: number, end: number): Tag["kind"] {
  if (text[start + 1] === "!") return "declaration";
  if (text[start + 1] === "/") return "end";
  return text[end - 1] === "/" ? "empty" : "start";
}

/** The end of a comment, CDATA section or processing instruction that starts at the offset. */
function skipNonElement(text: string, start: number): number | undefined {
  if (text[start + 1] !== "!" && text[start + 1] !== "?") return undefined;
  for (const [open, close] of [
    ["<!--", "-->"],
    ["<![CDATA[", "]]>"],
    ["<?", "?>"],
  ] as const) {
    if (!text.startsWith(open, start)) continue;
    const end = text.indexOf(close, start + open.length);
    return end < 0 ? text.length : end + close.length;
  }
  return undefined;
}

/** The offset of the `>` that ends the tag; attribute values may hold one too. */
function tagEnd(text: string, start: number): number {
  let quoted = "";
  for (let i = start; i < text.length; i++) {
    const char = text[i] ?? "";
    if (quoted !== "") quoted = char === quoted ? "" : quoted;
    else if (char === '"' || char === "'") quoted = char;
    else if (char === ">") return i;
  }
  return text.length;
}
