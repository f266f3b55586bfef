import type { Place } from "./problem.ts";

/** Where filters stand that everybody has: in no file, but `nwfilter dumpxml` shows them. */
export const stockFile = "stock filter";

/**
 * libvirt's network filter language (formatnwfilter.html; libvirt 11.3 nwfilter_conf.c) as values. Directions are the guest's view:
 * `in` is to the guest, `out` from it.
 */
export interface Filter {
  readonly name: string;
  /** Lower case. */
  readonly uuid?: string;
  /** `root`, or a prefix (`mac`, `vlan`, `stp`, `arp`, `rarp`, `ipv4`, `ipv6`) with anything behind it. */
  readonly chain: string;
  /** Where the chain stands among root's rules, -1000 to 1000; absent: its prefix's own. */
  readonly priority?: number;
  /** In document order. */
  readonly entries: readonly FilterEntry[];
  /** The operator has defined it through virtwall; absent: everybody has it, or it is libvirt's. */
  readonly origin?: "own" | "in place of stock";
  readonly at: Place;
}

export type FilterEntry = FilterRule | FilterReference;

/** `<filterref>`: the rules of another filter, as if they stood here. */
export interface FilterReference {
  readonly kind: "reference";
  readonly filter: string;
  /** Values for variables that nobody further out has given. */
  readonly parameters: FilterParameters;
  readonly at: Place;
}

/** Variables and their values in the order written; a variable with several values is a list. */
export type FilterParameters = ReadonlyMap<string, readonly string[]>;

export interface FilterRule {
  readonly kind: "rule";
  readonly action: "accept" | "drop" | "reject" | "return" | "continue";
  readonly direction: "in" | "out" | "inout";
  /** -1000 to 1000, lower first. */
  readonly priority: number;
  /** `statematch='false'`: connections are not tracked for it. */
  readonly isStateless: boolean;
  /** Name of the element, a key of `filterProtocols`; absent: every frame. */
  readonly protocol?: string;
  /** In the order of the protocol's attributes, each once; a packet must match all. */
  readonly matches: readonly FilterMatch[];
  readonly comment?: string;
  readonly at: Place;
}

export interface FilterMatch {
  readonly attribute: string;
  /**
   * `match='no'` on the element that holds it. What completes another attribute is never negated itself: masks, upper ends of ranges,
   * and ICMP's codes, which are one condition with the type, whose sign is that of both.
   */
  readonly isNegated: boolean;
  /** As written, checked for the attribute's type unless it names a variable. */
  readonly value: FilterVariable | FilterLiteral;
  readonly at: Place;
}

/** `$NAME`, `$NAME[@iterator]`, `$NAME[element]`. */
export interface FilterVariable {
  readonly kind: "variable";
  readonly name: string;
  /** Variables of one iterator advance together; absent with `element`. `$NAME` alone is iterator 0. */
  readonly iterator?: number;
  /** The one value at this position, from 0. */
  readonly element?: number;
}

/** Canonical text: see `parseAttributeValue`. */
export interface FilterLiteral {
  readonly kind: "literal";
  readonly text: string;
  /** A number that was written in hexadecimal, and is printed so again; it means nothing. */
  readonly isHex?: true;
}
