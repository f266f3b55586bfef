import { familyOf, parseAddress, toBits } from "../base/address.ts";
import type { Element, Expression, Verdict } from "./ast.ts";
import { compareText, fingerprint } from "./fingerprint.ts";
import { intervalOf } from "./interval.ts";

/** By key, field after field: numbers and addresses by value, names by their bytes. */
export function sortElements(elements: readonly Element[]): Element[] {
  return elements
    .map((element) => ({ element, order: orderText(element.key) }))
    .sort((a, b) => compareText(a.order, b.order))
    .map(({ element }) => element);
}

/** Equal text exactly for the same key, data and unknown properties; the elements are those of one set in normal form. */
export function elementIdentity({ key, data, unknown = "" }: Element): string {
  return [orderText(key), data === undefined ? "" : dataText(data), unknown].join(" : ");
}

const fieldEnd = "\u0000";

/** A text that sorts as the key does. Text, because a ruleset has elements by the ten thousand and numbers of 128 bits. */
function orderText(key: Expression): string {
  switch (key.kind) {
    case "concat":
      return key.parts.map(orderText).join(fieldEnd);
    case "value":
      return scalarText(key.value);
    case "range":
      return `${scalarText(key.first)}-${scalarText(key.last)}`;
    case "prefix":
      return prefixText(key);
    default:
      return `9${fingerprint(key)}`;
  }
}

function scalarText(value: string | number): string {
  if (typeof value === "number") return `1${String(value).padStart(16, "0")}`;
  const address = /[.:]/.test(value) ? parseAddress(value) : undefined;
  if (address === undefined) return `8${value}`;
  if (familyOf(address) === 6) return `6${hex(toBits(address))}`;
  const bytes = address.split(".").map((byte) => byte.padStart(3, "0"));
  return `4${bytes.join(".")}`;
}

function prefixText(prefix: Extract<Expression, { kind: "prefix" }>): string {
  const interval = intervalOf(prefix);
  if (interval === undefined) return `9${fingerprint(prefix)}`;
  const length = String(prefix.length).padStart(3, "0");
  return `${scalarText(prefix.address)}-${hex(interval.last)}/${length}`;
}

function hex(bits: bigint): string {
  return bits.toString(16).padStart(32, "0");
}

function dataText(data: Expression | Verdict): string {
  if (data.kind === "jump" || data.kind === "goto") return `${data.kind} ${data.chain}`;
  return data.kind === "value" || data.kind === "concat" ? orderText(data) : fingerprint(data);
}
