import { defined } from "../base/defined.ts";
import { quote } from "../base/quote.ts";
import { filterProtocols } from "../model/filter-protocols.ts";
import { parseFilterValue } from "./filter-value.ts";
import { settleMatches } from "./settle-matches.ts";
import type { FilterMatch, FilterRule } from "../model/filter.ts";
import type { FilterProtocol } from "../model/filter-protocols.ts";
import type { FilterReport } from "./filter-report.ts";
import type { WrittenAttribute } from "./filter-value.ts";
import type { Xml } from "./xml.ts";

const actions = ["accept", "drop", "reject", "return", "continue"] as const;
const directions = ["in", "out", "inout"] as const;
const knownAttributes: readonly string[] = ["action", "direction", "priority", "statematch"];

/** libvirt 11.3 nwfilter_conf.h: MAX_COMMENT_LENGTH, in bytes; MAX_RULE_PRIORITY. */
const longestComment = 256;
const highestPriority = 1000;
const usualPriority = 500;

/** A `<rule>`; undefined, and a problem, where nothing can be made of it. */
export function parseFilterRule(xml: Xml, report: FilterReport): FilterRule | undefined {
  leaveOutUnknown(xml, { attributes: knownAttributes }, report);
  const action = wordOf(xml, { name: "action", words: actions }, report);
  const direction = wordOf(xml, { name: "direction", words: directions }, report);
  const details = parseDetails(xml, report);
  if (action === undefined || direction === undefined) return undefined;
  return {
    kind: "rule",
    action,
    direction,
    priority: priorityOf(xml, report),
    isStateless: isStateless(xml, report),
    ...details,
    at: xml.at,
  };
}

/** Attributes and text that have no meaning here: libvirt leaves them out. */
export function leaveOutUnknown(
  xml: Xml,
  known: { readonly attributes: readonly string[]; readonly elements?: readonly string[] },
  report: FilterReport,
): void {
  for (const name of xml.attributeNames()) {
    if (known.attributes.includes(name)) continue;
    const meant = meantAttribute(name, known.attributes, report);
    report.misread({
      at: xml.attributeAt(name),
      what: `<${xml.name}> has no attribute ${quote(name)}`,
      libvirt: "leaves it out",
      hint: meant === undefined ? `it takes ${known.attributes.join(", ")}` : `write ${meant}`,
    });
  }
  for (const element of xml.elements()) {
    if (known.elements === undefined || known.elements.includes(element.name)) continue;
    const meant = report.meant(element.name, known.elements);
    report.misread({
      at: element.at,
      what: `<${xml.name}> holds no <${element.name}>`,
      libvirt: "leaves it out",
      hint: meant === undefined ? "take it away" : `write <${meant}>`,
    });
  }
  if (!xml.hasText()) return;
  report.misread({
    at: xml.at,
    what: `<${xml.name}> holds text`,
    libvirt: "leaves it out",
    hint: "take it away, or make it a comment of XML's",
  });
}

/** libvirt's documentation has names that its code does not know (formatnwfilter.html, libvirt 11.3). */
const documentedNames: ReadonlyMap<string, string> = new Map([
  ["msg-age", "age"],
  ["msg-age-hi", "age-hi"],
]);

function meantAttribute(
  name: string,
  known: readonly string[],
  report: FilterReport,
): string | undefined {
  const spelt = name.toLowerCase().replaceAll("_", "-");
  return (
    known.find((each) => each === documentedNames.get(spelt)) ??
    report.meant(spelt, known) ??
    known.find((each) => spelt.length > 2 && each.startsWith(spelt))
  );
}

function wordOf<Word extends string>(
  xml: Xml,
  { name, words }: { readonly name: string; readonly words: readonly Word[] },
  report: FilterReport,
): Word | undefined {
  const text = xml.attribute(name);
  const word = words.find((each) => each === text);
  if (word !== undefined) return word;
  const message =
    text === undefined ? `<rule> has no ${name}` : `${quote(text)} is no ${name} of a rule`;
  const hint = `write one of ${words.join(", ")}`;
  report.error("BAD_FILTER_RULE", xml.attributeAt(name), { message, hint });
  return undefined;
}

function priorityOf(xml: Xml, report: FilterReport): number {
  const text = xml.attribute("priority");
  if (text === undefined) return usualPriority;
  const value = /^[+-]?[0-9]{1,6}$/.test(text) ? Number(text) : Infinity;
  if (Math.abs(value) <= highestPriority) return value;
  report.misread({
    at: xml.attributeAt("priority"),
    what: `priority ${quote(text)} is not in -${highestPriority} to ${highestPriority}`,
    libvirt: `takes ${usualPriority}`,
    hint: `write a number from -${highestPriority} to ${highestPriority}`,
  });
  return usualPriority;
}

function isStateless(xml: Xml, report: FilterReport): boolean {
  const text = xml.attribute("statematch");
  if (text === undefined) return false;
  if (text === "0" || text.toLowerCase() === "false") return true;
  if (text !== "1" && text.toLowerCase() !== "true") {
    report.misread({
      at: xml.attributeAt("statematch"),
      what: `statematch is ${quote(text)}`,
      libvirt: "takes it for true",
      hint: "write false, or leave the attribute out",
    });
  }
  return false;
}

type Details = Pick<FilterRule, "protocol" | "matches" | "comment">;

/** The first element that is a protocol's names the protocol; more of the same add to it. */
function parseDetails(xml: Xml, report: FilterReport): Details {
  const first = xml.elements().find(({ name }) => filterProtocols.has(name));
  const protocol = first && filterProtocols.get(first.name);
  const unused = xml.elements().filter(({ name }) => name !== first?.name);
  for (const element of unused) reportUnused(element, first, report);
  if (first === undefined || protocol === undefined) return { matches: [] };
  const before = report.problems.length;
  const matches = new Map<string, FilterMatch>();
  const comments: string[] = [];
  for (const element of xml.children(first.name)) {
    leaveOutUnknown(
      element,
      { attributes: ["match", ...protocol.attributes.keys(), "comment"], elements: [] },
      report,
    );
    addMatches(element, { protocol, matches }, report);
    const comment = commentOf(element, report);
    if (comment !== undefined) comments.push(comment);
  }
  if (report.problems.slice(before).some(({ code }) => code !== "MISREAD_FILTER")) {
    return { protocol: first.name, matches: [...matches.values()] };
  }
  const attributes = protocol.attributes.keys();
  const settled = settleMatches({ protocol: first.name, attributes, matches }, report);
  if (first.name === "stp") refuseMirrored(xml, settled, report);
  return defined({ protocol: first.name, matches: settled, comment: comments.at(-1) });
}

/** A bridge's own frames have one address that they go to, so source and destination cannot change places. */
function refuseMirrored(rule: Xml, matches: readonly FilterMatch[], report: FilterReport): void {
  const source = matches.find(({ attribute }) => attribute === "srcmacaddr");
  if (source === undefined || rule.attribute("direction") !== "inout") return;
  report.error("BAD_FILTER_RULE", source.at, {
    message: "srcmacaddr of <stp> stands in a rule of both directions",
    hint: "write a rule for each direction",
  });
}

function reportUnused(element: Xml, first: Xml | undefined, report: FilterReport): void {
  const meant = report.meant(element.name, filterProtocols.keys());
  report.misread({
    at: element.at,
    what: filterProtocols.has(element.name)
      ? `the rule is about <${first?.name}> already, and <${element.name}> is another protocol`
      : `<${element.name}> is no protocol`,
    libvirt: first === undefined ? "applies the rule to every frame" : "leaves the element out",
    hint:
      meant === undefined || meant === element.name
        ? "write a rule of its own"
        : `write <${meant}>`,
  });
}

interface Collected {
  readonly protocol: FilterProtocol;
  readonly matches: Map<string, FilterMatch>;
}

function addMatches(element: Xml, { protocol, matches }: Collected, report: FilterReport): void {
  const isNegated = isNegative(element, report);
  if (
    isNegated &&
    ![...protocol.attributes.keys()].some((name) => element.attribute(name) !== undefined)
  ) {
    report.misread({
      at: element.attributeAt("match"),
      what: "match='no' stands on an element without attributes",
      libvirt: `takes it for <${element.name}/>`,
      hint: "name what shall not match",
    });
  }
  for (const [name, type] of protocol.attributes) {
    const text = element.attribute(name);
    if (text === undefined) continue;
    const written: WrittenAttribute = { name, text, at: element.attributeAt(name) };
    const value = parseFilterValue(type, written, report);
    if (value === undefined) continue;
    if (matches.has(name)) {
      report.misread({
        at: written.at,
        what: `${name} is given a second time`,
        libvirt: "forgets the first",
        hint: "write a rule for each value, or a variable with several",
      });
    }
    matches.set(name, { attribute: name, isNegated, value, at: written.at });
  }
}

function isNegative(element: Xml, report: FilterReport): boolean {
  const text = element.attribute("match");
  if (text === undefined || text === "yes") return false;
  if (text === "no") return true;
  report.misread({
    at: element.attributeAt("match"),
    what: `match is ${quote(text)}`,
    libvirt: "takes it for yes",
    hint: "write yes or no",
  });
  return false;
}

function commentOf(element: Xml, report: FilterReport): string | undefined {
  const text = element.attribute("comment");
  if (text === undefined) return undefined;
  const at = element.attributeAt("comment");
  if (text.startsWith("$")) {
    report.misread({
      at,
      what: "the comment begins with $",
      libvirt: "takes it for a variable and leaves it out",
      hint: "begin it otherwise",
    });
    return undefined;
  }
  if (new TextEncoder().encode(text).length <= longestComment) return text;
  report.misread({
    at,
    what: `the comment has more than ${longestComment} bytes`,
    libvirt: "cuts it off",
    hint: "shorten it",
  });
  return cut(text);
}

/** The longest beginning that has no more bytes than a comment may. */
function cut(text: string): string {
  const bytes = new TextEncoder().encode(text).subarray(0, longestComment);
  return new TextDecoder().decode(bytes, { stream: true });
}
