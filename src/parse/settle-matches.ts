import { completedBy } from "../model/filter-protocols.ts";
import type { FilterMatch } from "../model/filter.ts";
import type { Place } from "../model/problem.ts";
import type { FilterReport } from "./filter-report.ts";

/** What the elements of one rule hold. */
export interface CollectedMatches {
  readonly protocol: string;
  /** Which attributes the protocol has, in order. */
  readonly attributes: Iterable<string>;
  /** By attribute; of one that was given twice the last. */
  readonly matches: ReadonlyMap<string, FilterMatch>;
}

type Matches = Map<string, FilterMatch>;

/**
 * The matches of a rule as they hold together, and problems where libvirt makes something else of them than is written
 * (nwfilter_conf.c virNWFilterRuleDefFixup and virNWFilterRuleValidate, nwfilter_ebiptables_driver.c; libvirt 9.0 to 12.8).
 */
export function settleMatches(
  { protocol, attributes, matches: written }: CollectedMatches,
  report: FilterReport,
): FilterMatch[] {
  const matches: Matches = new Map(written);
  dropUnlooked(protocol, matches, report);
  dropLoose(protocol, matches, report);
  settleIpset(protocol, matches, report);
  settleSigns(protocol, matches, report);
  demandProtocol(protocol, matches, report);
  return [...attributes].flatMap((name) => matches.get(name) ?? []);
}

/** Attributes that libvirt does not look at beside others. */
function dropUnlooked(protocol: string, matches: Matches, report: FilterReport): void {
  for (const side of ["src", "dst"]) {
    const range = matches.get(`${side}ipfrom`);
    if (range === undefined || !matches.has(`${side}ipaddr`)) continue;
    report.misread({
      at: range.at,
      what: `${side}ipfrom stands beside ${side}ipaddr`,
      libvirt: `looks at ${side}ipaddr alone`,
      hint: "write one of the two",
    });
    matches.delete(`${side}ipfrom`);
    matches.delete(`${side}ipto`);
  }
  const gratuitous = matches.get("gratuitous");
  if (gratuitous?.value.kind !== "literal" || gratuitous.value.text === "true") return;
  report.misread({
    at: gratuitous.at,
    what: "gratuitous is false",
    libvirt: "leaves it out",
    hint: `write <${protocol} match='no' gratuitous='true'/> for frames that are not`,
  });
  matches.delete("gratuitous");
}

/** Attributes that complete another one which is not there. */
function dropLoose(protocol: string, matches: Matches, report: FilterReport): void {
  const needs = isIcmp(protocol) ? [...completedBy, ["code", "type"] as const] : completedBy;
  for (const [name, needed] of needs) {
    const loose = matches.get(name);
    if (loose === undefined || matches.has(needed)) continue;
    if (name === "typeend" || name === "codeend") {
      beginAtZero(loose, needed, { matches, report });
      continue;
    }
    report.misread({
      at: loose.at,
      what: `${name} stands without ${needed}`,
      libvirt: "leaves it out",
      hint: `write ${needed} too`,
    });
    matches.delete(name);
  }
}

/** On the bridge libvirt takes the end of a range for the whole of it. */
function beginAtZero(
  loose: FilterMatch,
  needed: string,
  { matches, report }: { readonly matches: Matches; readonly report: FilterReport },
): void {
  report.misread({
    at: loose.at,
    what: `${loose.attribute} stands without ${needed}`,
    libvirt: "begins at 0",
    hint: `write ${needed}='0' too`,
  });
  const value = { kind: "literal", text: "0" } as const;
  matches.set(needed, { attribute: needed, isNegated: false, value, at: loose.at });
}

function settleIpset(protocol: string, matches: Matches, report: FilterReport): void {
  const set = matches.get("ipset");
  if (set === undefined) return;
  const hasFlags = matches.has("ipsetflags");
  const isAll = protocol === "all" || protocol === "all-ipv6";
  if (isAll && hasFlags) return;
  const all = protocol.endsWith("-ipv6") || protocol === "icmpv6" ? "all-ipv6" : "all";
  const hint = `write <${all} ipset='NAME' ipsetflags='src'/>, with src or dst`;
  if (hasFlags || isAll) {
    const what = isAll ? "ipset stands without ipsetflags" : `<${protocol}> names a set`;
    report.misread({ at: set.at, what, libvirt: "looks at no set", hint });
    matches.delete("ipset");
    matches.delete("ipsetflags");
    return;
  }
  const message = `<${protocol}> names a set: libvirt cannot apply that to a nic`;
  report.error("BAD_FILTER_RULE", set.at, { message, hint });
}

/** Whose sign an attribute takes; libvirt copies it over the attribute's own. */
function signHolders(protocol: string): Map<string, string> {
  const holders = new Map(completedBy);
  if (protocol === "ipv6" || isIcmp(protocol)) {
    for (const name of ["typeend", "code", "codeend"]) holders.set(name, "type");
  } else if (protocol !== "ip") {
    holders.set("dstportstart", "srcportstart");
  }
  return holders;
}

function settleSigns(protocol: string, matches: Matches, report: FilterReport): void {
  const holders = signHolders(protocol);
  const written = new Map(matches);
  for (const [name, match] of written) {
    const holder = holders.get(name);
    const isNegated = holder === undefined ? signOf(match) : isNegatedIn(written, holder);
    if (isNegated !== match.isNegated) {
      report.misread({
        at: match.at,
        what: `${name} is ${negated(match.isNegated)}`,
        libvirt: `takes it for ${negated(isNegated)}${holder === undefined ? "" : `, as ${holder} is`}`,
        hint: signHint(match, holder, written.get("dstportend")),
      });
    }
    // Two ports are two conditions; everything else is one with its holder, which bears the sign.
    const bears = holder === undefined || name === "dstportstart";
    matches.set(name, { ...match, isNegated: bears && isNegated });
  }
}

/** libvirt negates neither states nor sets. */
function signOf({ attribute, isNegated }: FilterMatch): boolean {
  return isNegated && attribute !== "state" && attribute !== "ipset";
}

function isNegatedIn(matches: Matches, holder: string): boolean {
  return matches.get(holder)?.isNegated ?? false;
}

function negated(isNegated: boolean): string {
  return isNegated ? "negated" : "not negated";
}

function signHint(match: FilterMatch, holder: string | undefined, end?: FilterMatch): string {
  if (holder === undefined) return "name what shall match";
  if (match.attribute !== "dstportstart") {
    return `write ${match.attribute} and ${holder} into one element`;
  }
  const first = numberIn(match) ?? 80;
  const last = numberIn(end) ?? first;
  return `write two rules: dstportstart='0' dstportend='${first - 1}' and dstportstart='${last + 1}' dstportend='65535'`;
}

function numberIn(match: FilterMatch | undefined): number | undefined {
  return match?.value.kind === "literal" ? Number(match.value.text) : undefined;
}

const portProtocols: readonly string[] = ["tcp", "udp", "sctp", "33"];
const portAttributes = ["srcportstart", "srcportend", "dstportstart", "dstportend"];
const icmpAttributes = ["type", "typeend", "code", "codeend"];

/** On the bridge ports and ICMP's types have a meaning only where the protocol is known. */
function demandProtocol(protocol: string, matches: Matches, report: FilterReport): void {
  if (protocol !== "ip" && protocol !== "ipv6") return;
  const known = matches.get("protocol");
  const word = known?.value.kind === "literal" && !known.isNegated ? known.value.text : undefined;
  const demand = (names: readonly string[], words: readonly string[]) => {
    const first = names.map((name) => matches.get(name)).find((match) => match !== undefined);
    if (first === undefined || (word !== undefined && words.includes(word))) return;
    refuse(first.at, `${first.attribute} of <${protocol}> needs protocol='${words.join("', '")}'`);
  };
  const refuse = (at: Place, message: string) => {
    const hint = "name the protocol in the same element";
    report.error("BAD_FILTER_RULE", at, { message, hint });
  };
  demand(portAttributes, portProtocols);
  demand(icmpAttributes, ["icmpv6"]);
}

function isIcmp(protocol: string): boolean {
  return protocol === "icmp" || protocol === "icmpv6";
}
