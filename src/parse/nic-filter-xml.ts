import { defined } from "../base/defined.ts";
import { parseMac, type Mac } from "../base/mac.ts";
import type { FilterParameters } from "../model/filter.ts";
import { FilterReport } from "./filter-report.ts";
import { parseFilterReference } from "./filter-xml.ts";
import { offBridgeOf } from "./guest-xml.ts";
import { parseXmlText, type Xml } from "./xml.ts";

/** A nic in a guest's XML, and the filter by which libvirt itself judges it. */
export interface NicElement {
  readonly mac: Mac;
  /** The whole `<interface>` as it stands there. */
  readonly xml: string;
  readonly filterRef?: FilterRefElement;
  /** Why no bridge of the kernel's carries it. */
  readonly offBridge?: string;
}

export interface FilterRefElement {
  readonly filter: string;
  readonly parameters: FilterParameters;
  /** The element as it stands there. */
  readonly xml: string;
}

/** Nics with a MAC address, in order; undefined where the text is no guest's XML as libvirt prints it. */
export function nicElementsOf(domainXml: string): readonly NicElement[] | undefined {
  const root = rootOf(domainXml, "domain");
  return root
    ?.child("devices")
    ?.children("interface")
    .flatMap((nic) => {
      const mac = parseMac(nic.child("mac")?.attribute("address") ?? "");
      if (mac === undefined) return [];
      const filterRef = filterRefOf(nic, domainXml);
      const xml = textOf(nic, domainXml);
      return [{ mac, xml, ...defined({ filterRef, offBridge: offBridgeOf(nic) }) }];
    });
}

/** The `<interface>` without its `<filterref>`, and no other byte changed but the white space before it. */
export function withoutFilterRef(nicXml: string): string {
  const range = rootOf(nicXml, "interface")?.child("filterref")?.range;
  if (range === undefined) return nicXml;
  return nicXml.slice(0, range.start).trimEnd() + nicXml.slice(range.end);
}

/** The `<interface>` with this `<filterref>` and no other. */
export function withFilterRef(nicXml: string, element: string): string {
  const bare = withoutFilterRef(nicXml);
  const start = bare.slice(0, bare.lastIndexOf("</")).trimEnd();
  return `${start}\n${element}${bare.slice(start.length)}`;
}

function filterRefOf(nic: Xml, text: string): FilterRefElement | undefined {
  const element = nic.child("filterref");
  const read = element && parseFilterReference(element, new FilterReport({ isCompat: true }));
  if (element === undefined || read === undefined) return undefined;
  return { filter: read.filter, parameters: read.parameters, xml: textOf(element, text) };
}

function textOf({ range }: Xml, text: string): string {
  return text.slice(range.start, range.end);
}

/** Offsets are those of the text itself only where the reader has changed nothing: libvirt writes no `\r` and no byte order mark. */
function rootOf(text: string, name: string): Xml | undefined {
  if (/[\r\uFEFF]/.test(text)) return undefined;
  const parsed = parseXmlText({ file: name, text }, name);
  return "fault" in parsed ? undefined : parsed.root;
}
