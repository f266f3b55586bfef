import { defined } from "../base/defined.ts";
import { quote } from "../base/quote.ts";
import { chainPrefix, usualChainPriority } from "../model/filter-chain.ts";
import { capProblems, sortProblems } from "../model/problem-list.ts";
import { FilterReport } from "./filter-report.ts";
import { leaveOutUnknown, parseFilterRule } from "./filter-rule.ts";
import { parseXmlText } from "./xml.ts";
import type { Filter, FilterEntry, FilterParameters, FilterReference } from "../model/filter.ts";
import type { Problem } from "../model/problem.ts";
import type { SourceText } from "../model/source-text.ts";
import type { FilterOptions } from "./filter-report.ts";
import type { Xml } from "./xml.ts";

/**
 * A filter in libvirt's language. Strict: what libvirt takes and understands otherwise than it was written is an error. With
 * `isCompat` it is a warning, and understood as libvirt does. A filter with an error is none; `name` is then the one that it bears, or
 * that of its file, as which filters are kept.
 */
export function parseFilterXml(source: SourceText, options: FilterOptions): ParsedFilter {
  const parsed = readXml(source);
  if ("fault" in parsed) {
    const { at, message } = parsed.fault;
    const problem = { code: "BAD_FILTER_XML", severity: "error", at, message } as const;
    return { filter: undefined, name: nameIn(source), problems: [problem] };
  }
  const report = new FilterReport(options);
  const filter = filterOf(parsed.root, report);
  return {
    filter: report.hasErrors ? undefined : filter,
    name: filter.name === "" ? nameOfFile(source) : filter.name,
    problems: capProblems(sortProblems(report.problems, [])),
  };
}

interface ParsedFilter {
  readonly filter: Filter | undefined;
  readonly name: string;
  readonly problems: Problem[];
}

function readXml(source: SourceText): ReturnType<typeof parseXmlText> {
  if (source.unread === undefined) return parseXmlText(source, "filter");
  const at = { file: source.file, line: 1, column: 1 };
  return { fault: { at, message: `the file cannot be read: ${source.unread}` } };
}

/** Of a text that is no XML, or not the whole of it. */
function nameIn(source: SourceText): string {
  const [, , name = ""] = /<filter\s[^>]*?\bname\s*=\s*(['"])([^'"<>&]+)\1/.exec(source.text) ?? [];
  return name === "" ? nameOfFile(source) : name;
}

function nameOfFile({ file }: SourceText): string {
  return file.replace(/^.*\//, "").replace(/\.xml$/, "");
}

function filterOf(root: Xml, report: FilterReport): Filter {
  const known = {
    attributes: ["name", "chain", "priority"],
    elements: ["uuid", "rule", "filterref"],
  };
  leaveOutUnknown(root, known, report);
  const written = root.attribute("chain") ?? "";
  const chain = written === "" ? "root" : chainOf(root, written, report);
  return {
    name: nameOf(root, report),
    ...defined({ uuid: uuidOf(root, report) }),
    chain,
    ...defined({ priority: priorityOf(root, chain, report) }),
    entries: root.elements().flatMap((xml) => entryOf(xml, report) ?? []),
    at: root.at,
  };
}

/** libvirt keeps a filter in a file of its name. */
function nameOf(root: Xml, report: FilterReport): string {
  const name = root.attribute("name") ?? "";
  const at = root.attributeAt("name");
  if (name === "") {
    const hint = "write <filter name='NAME'>";
    report.error("BAD_FILTER_NAME", at, { message: "the filter has no name", hint });
  } else if (new TextEncoder().encode(name).length > longestName) {
    const message = `${quote(name)} cannot be the name of a filter: it has more than ${longestName} bytes`;
    report.error("BAD_FILTER_NAME", at, {
      message,
      hint: "shorten it: a filter is kept in a file of its name",
    });
  } else if (/^\.|[/\p{Cc}]/u.test(name)) {
    const message = `${quote(name)} cannot be the name of a filter`;
    const hint = "a filter is kept in a file of its name: letters, digits, - and _ are safe";
    report.error("BAD_FILTER_NAME", at, { message, hint });
  }
  return name;
}

/** With `.xml` no longer than the kernel lets a file's name be. */
const longestName = 250;

/** libvirt takes any hyphens, and none. */
function uuidOf(root: Xml, report: FilterReport): string | undefined {
  const xml = root.child("uuid");
  const text = xml?.text() ?? "";
  if (xml === undefined || text === "") return undefined;
  const digits = text.replaceAll("-", "").toLowerCase();
  if (!/^[0-9a-f]{32}$/.test(digits)) {
    const message = `${quote(text)} is not a UUID`;
    const hint = "leave the element out: a new filter gets one";
    report.error("BAD_FILTER_UUID", xml.at, { message, hint });
  }
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function chainOf(root: Xml, chain: string, report: FilterReport): string {
  const isKnown = chainPrefix(chain) !== undefined;
  if (isKnown && /^[A-Za-z0-9_.:-]{1,12}$/.test(chain)) return chain;
  report.error("BAD_FILTER_CHAIN", root.attributeAt("chain"), {
    message: `${quote(chain)} is no chain`,
    hint: isKnown
      ? "up to 12 letters, digits, _, ., : and -"
      : "write root, or a name that begins with mac, vlan, stp, arp, rarp, ipv4 or ipv6",
  });
  return chain;
}

/** Undefined if it is the chain's usual one, which libvirt writes down too. */
function priorityOf(root: Xml, chain: string, report: FilterReport): number | undefined {
  const text = root.attribute("priority") ?? "";
  if (text === "") return undefined;
  const at = root.attributeAt("priority");
  const value = /^\s*[+-]?[0-9]{1,9}$/.test(text) ? Number(text) : Infinity;
  if (Math.abs(value) > 1000) {
    const message = `priority ${quote(text)} is not in -1000 to 1000`;
    report.error("BAD_FILTER_CHAIN", at, { message, hint: "write a number from -1000 to 1000" });
    return undefined;
  }
  if ((root.attribute("chain") ?? "") !== "") {
    return value === usualChainPriority(chain) ? undefined : value;
  }
  report.misread({
    at,
    what: "the filter has a priority and no chain",
    libvirt: "leaves the priority out",
    hint: "write chain='root', or leave the priority out",
  });
  return undefined;
}

function entryOf(xml: Xml, report: FilterReport): FilterEntry | undefined {
  if (xml.name === "rule") return parseFilterRule(xml, report);
  return xml.name === "filterref" ? parseFilterReference(xml, report) : undefined;
}

/** A `<filterref>`, of a filter or of a nic; undefined, and a problem, if it names no filter. */
export function parseFilterReference(xml: Xml, report: FilterReport): FilterReference | undefined {
  leaveOutUnknown(xml, { attributes: ["filter"], elements: ["parameter"] }, report);
  const filter = xml.attribute("filter") ?? "";
  if (filter === "") {
    const hint = "write <filterref filter='NAME'/>";
    report.error("BAD_FILTER_REFERENCE", xml.at, { message: "<filterref> names no filter", hint });
    return undefined;
  }
  return { kind: "reference", filter, parameters: parametersOf(xml, report), at: xml.at };
}

function parametersOf(xml: Xml, report: FilterReport): FilterParameters {
  const parameters = new Map<string, string[]>();
  for (const element of xml.children("parameter")) {
    leaveOutUnknown(element, { attributes: ["name", "value"], elements: [] }, report);
    const name = element.attribute("name") ?? "";
    const value = element.attribute("value") ?? "";
    const fault = parameterFault(element, name, value);
    if (fault !== undefined) {
      report.misread({ ...fault, libvirt: "leaves the parameter out" });
      continue;
    }
    const values = parameters.get(name);
    if (values === undefined) parameters.set(name, [value]);
    else values.push(value);
  }
  return parameters;
}

/** The alphabets are those of libvirt 11.3 nwfilter_params.h. */
function parameterFault(element: Xml, name: string, value: string) {
  if (!/^[A-Za-z0-9_]+$/.test(name)) {
    return {
      at: element.attributeAt("name"),
      what: `${quote(name)} cannot be the name of a parameter`,
      hint: "it takes letters, digits and _",
    };
  }
  if (/^[A-Za-z0-9_.:]+$/.test(value)) return undefined;
  return {
    at: element.attributeAt("value"),
    what: `${quote(value)} cannot be the value of a parameter`,
    hint: "it takes letters, digits, _, . and :; a list is several <parameter> of one name",
  };
}
