import { nearest } from "../base/nearest.ts";
import { quote } from "../base/quote.ts";
import { attributeTypeWords } from "./attribute-value.ts";
import type { FilterBinding, FilterWorld } from "./filter-binding.ts";
import type { Filters } from "./filter-expansion.ts";
import type { BindingFault } from "./filter-faults.ts";
import { stockFile } from "./filter.ts";
import { filterProtocols } from "./filter-protocols.ts";
import { mostCombinations } from "./filter-values.ts";
import type { Place } from "./problem.ts";
import { placeText } from "./problem-text.ts";

export interface FaultWords {
  readonly message: string;
  readonly hint?: string | undefined;
}

/** In the words of the operator. */
export function describeFault(
  fault: BindingFault,
  { filter: name }: FilterBinding,
  { filters, brokenFilters }: FilterWorld,
): FaultWords {
  const filter = `filter ${quote(name)}`;
  switch (fault.kind) {
    case "unknown-filter": {
      const broken = brokenFilters?.get(name);
      if (broken !== undefined) {
        return { message: `the definition of ${filter} is not in force (${placeText(broken)})` };
      }
      return {
        message: `there is no ${filter}`,
        hint: meant(name, filters) ?? "virtwall nwfilter list shows them",
      };
    }
    case "broken-reference": {
      const { reference } = fault;
      const why = brokenReference(reference.filter, { filters, brokenFilters });
      return {
        message: `${filter} refers to ${quote(reference.filter)}, which ${why} (${placeText(reference.at)})`,
      };
    }
    case "too-long":
      return { message: `${filter} refers to more rules than can be enforced` };
    case "unsupported":
      return {
        message: `${filter} has a rule that cannot be enforced here: ${fault.reason} (${whereText(fault.at, fault.rule.filter)})`,
        hint: fault.hint,
      };
    case "learning":
      return {
        message: `${quote(fault.value)} is no value for ${fault.variable}`,
        hint:
          fault.variable === "DHCPSERVER"
            ? "give it IPv4 addresses: those of the servers that may give addresses"
            : "give it one of any, dhcp and none",
      };
    case "values":
      return sayValues(fault, `${filter}`);
  }
}

function brokenReference(
  name: string,
  { filters, brokenFilters }: Pick<FilterWorld, "filters" | "brokenFilters">,
): string {
  if (filters.has(name)) return "leads back to itself";
  return brokenFilters?.has(name) ? "is not in force" : "is not there";
}

function sayValues(
  { fault, rule }: Extract<BindingFault, { kind: "values" }>,
  what: string,
): FaultWords {
  const name = fault.variable?.name ?? "";
  const where = `(${whereText(fault.at, rule.filter)})`;
  const give = `give it: parameters: { ${name}: [...] }`;
  switch (fault.kind) {
    case "missing":
      return {
        message: `${what} needs a value for $${name} ${where}`,
        hint: hintFor(name) ?? give,
      };
    case "unequal":
      return {
        message: `${what} goes through several variables in step, and $${name} has another number of values ${where}`,
        hint: "give each of them equally many values, or give them iterators of their own",
      };
    case "no-element":
      return {
        message: `${what} asks for $${name}[${fault.variable?.element ?? 0}], which is not among its values ${where}`,
        hint: give,
      };
    case "bad-value":
      return {
        message: `${what}: ${quote(fault.text ?? "")} of $${name} is no value for ${fault.attribute} ${where}`,
        hint: valueHint(rule.rule.protocol, fault.attribute),
      };
    case "reversed":
      return {
        message: `${what}: the range of ${fault.attribute} ends before it begins ${where}`,
        hint: "give the lower end first",
      };
    case "too-many":
      return {
        message: `${what}: the variables of one rule make ${fault.count} combinations, and at most ${mostCombinations} can be enforced ${where}`,
        hint: "give them fewer values, or one iterator, which goes through them in step",
      };
  }
}

function valueHint(protocol: string | undefined, attribute: string): string | undefined {
  const type = filterProtocols.get(protocol ?? "")?.attributes.get(attribute);
  return type && `it takes ${attributeTypeWords(type)}`;
}

function hintFor(name: string): string | undefined {
  if (name === "IP" || name === "IPV6") {
    return `give the nic its address: nics: { MAC: { address: ... } }, or parameters: { ${name}: [...] }`;
  }
  return undefined;
}

function meant(name: string, filters: Filters): string | undefined {
  const known = nearest(name, filters.keys());
  return known === undefined ? undefined : `did you mean ${quote(known)}?`;
}

/** Stock filters stand in no file: `nwfilter dumpxml` shows them. */
function whereText(at: Place, filter: string): string {
  return at.file === stockFile
    ? `${stockFile} ${quote(filter)}`
    : `${placeText(at)}, filter ${quote(filter)}`;
}
