import { quote } from "../base/quote.ts";
import { attributeTypeWords, parseAttributeValue } from "../model/attribute-value.ts";
import type { FilterLiteral, FilterMatch, FilterVariable } from "../model/filter.ts";
import type { AttributeType } from "../model/filter-protocols.ts";
import type { Place } from "../model/problem.ts";
import type { FilterReport } from "./filter-report.ts";

/** libvirt 11.3 nwfilter_params.h, VIR_NWFILTER_MAX_ITERID. */
const lastIterator = 1000;

/** An attribute as it stands in the text. */
export interface WrittenAttribute {
  readonly name: string;
  readonly text: string;
  readonly at: Place;
}

/** The value of an attribute of that type; undefined, and a problem, if it has none. */
export function parseFilterValue(
  type: AttributeType,
  written: WrittenAttribute,
  report: FilterReport,
): FilterMatch["value"] | undefined {
  if (written.text.startsWith("$")) return parseVariable(type, written, report);
  return parseLiteral(type, written.text) ?? parseLenient(type, written, report);
}

function parseLiteral(type: AttributeType, text: string): FilterLiteral | undefined {
  const canonical = parseAttributeValue(type, text);
  if (canonical === undefined) return undefined;
  // libvirt 11.3 writes numbers of ARP's operations in decimal.
  const keepsHex = type.kind === "number" && type.words?.has("Request") !== true;
  const isHex = keepsHex && /^0x/i.test(text) && /^[0-9]/.test(canonical);
  return { kind: "literal", text: canonical, ...(isHex && { isHex }) };
}

/** What libvirt takes in other forms than it says: strtoul's numbers, hexadecimal ones without a prefix (nwfilter_conf.c). */
function parseLenient(
  type: AttributeType,
  { name, text, at }: WrittenAttribute,
  report: FilterReport,
): FilterLiteral | undefined {
  const lenient = lenientForms(type, text)
    .map((form) => parseLiteral(type, form))
    .find((literal) => literal !== undefined);
  if (lenient === undefined) {
    const message = `${quote(text)} is no value of ${quote(name)}`;
    report.error("BAD_FILTER_VALUE", at, { message, hint: `it takes ${attributeTypeWords(type)}` });
    return undefined;
  }
  report.misread({
    at,
    what: `${name} is ${quote(text)}`,
    libvirt: `reads ${lenient.text}`,
    hint:
      type.kind === "number"
        ? `write ${literalText(lenient)}, or the number that is meant`
        : `it takes ${attributeTypeWords(type)}`,
  });
  return lenient;
}

/** As it is printed. */
export function literalText({ text, isHex }: FilterLiteral): string {
  return isHex ? `0x${Number(text).toString(16)}` : text;
}

function lenientForms(type: AttributeType, text: string): string[] {
  switch (type.kind) {
    case "number": {
      const trimmed = text.replace(/^\s*\+?/, "");
      return [/^[0-9]+$/.test(trimmed) ? trimmed : `0x${trimmed}`];
    }
    case "ipv4":
    case "ipv4-mask":
      return internetForms(text);
    case "boolean":
      return ["false"];
    case "state": {
      const words: string[] = text.toUpperCase().match(/[A-Z]+/g) ?? [];
      return [words.includes("NONE") ? "NONE" : words.join(",")];
    }
    default:
      return [];
  }
}

/** inet_aton's: octal and hexadecimal numbers, and fewer than four, of which the last fills what is left. */
function internetForms(text: string): string[] {
  const words = text.split(".");
  if (
    words.length > 4 ||
    !words.every((word) => /^(0[0-7]*|0x[0-9a-f]+|[1-9][0-9]*)$/i.test(word))
  ) {
    return [];
  }
  const numbers = words.map((word) => Number(word.replace(/^0(?=[0-7])/, "0o")));
  const last = numbers.pop() ?? 0;
  const left = 4 - numbers.length;
  if (numbers.some((number) => number > 255) || last >= 256 ** left) return [];
  const filled = Array.from(
    { length: left },
    (_, i) => Math.floor(last / 256 ** (left - 1 - i)) % 256,
  );
  return [[...numbers, ...filled].join(".")];
}

/** Types of which libvirt stores a variable and never looks at it (nwfilter_ebiptables_driver.c). */
const constantKinds: readonly string[] = ["boolean", "state", "tcp-flags", "ipset-flags"];

function parseVariable(
  type: AttributeType,
  { name, text, at }: WrittenAttribute,
  report: FilterReport,
): FilterVariable | undefined {
  const match = /^\$([A-Za-z0-9_]+)(?:\[\s*(@)?\s*([0-9]{1,9})\s*\](.*))?$/s.exec(text);
  const [, variable, sign, digits, rest = ""] = match ?? [];
  if (variable === undefined) {
    const message = `${quote(text)} is no variable`;
    const hint = "write $NAME, $NAME[@ITERATOR] or $NAME[ELEMENT]";
    report.error("BAD_FILTER_VARIABLE", at, { message, hint });
    return undefined;
  }
  if (constantKinds.includes(type.kind)) {
    report.misread({
      at,
      what: `${name} is the variable ${quote(text)}`,
      libvirt: "leaves it out",
      hint: `write the value: it takes ${attributeTypeWords(type)}`,
    });
    return undefined;
  }
  const index = Number(digits ?? 0);
  if (rest !== "") {
    report.misread({
      at,
      what: `${quote(rest)} stands behind a variable`,
      libvirt: "leaves it out",
      hint: "a value is one variable, or none",
    });
  }
  if (digits !== undefined && sign === undefined) {
    return { kind: "variable", name: variable, element: index };
  }
  if (index > lastIterator) {
    const message = `${quote(text)} has an iterator above ${lastIterator}`;
    const hint = "count iterators from 0";
    report.error("BAD_FILTER_VARIABLE", at, { message, hint });
    return undefined;
  }
  return { kind: "variable", name: variable, iterator: index };
}
