import { nearest } from "../base/nearest.ts";
import { quote } from "../base/quote.ts";
import type { FilterBinding } from "./filter-binding.ts";
import type { Filters } from "./filter-expansion.ts";
import type { BindingFault } from "./filter-faults.ts";
import type { Place } from "./problem.ts";

export interface FaultWords {
  readonly message: string;
  readonly hint?: string | undefined;
}

/** In the words of the operator; `filters` are all there are. */
export function describeFault(
  fault: BindingFault,
  { filter: name }: FilterBinding,
  filters: Filters,
): FaultWords {
  const filter = `filter ${quote(name)}`;
  switch (fault.kind) {
    case "unknown-filter":
      return {
        message: `there is no ${filter}`,
        hint: meant(name, filters) ?? "virtwall nwfilter list shows them",
      };
    case "broken-reference": {
      const { reference } = fault;
      const why = filters.has(reference.filter) ? "leads back to itself" : "is not there";
      return {
        message: `${filter} refers to ${quote(reference.filter)}, which ${why} (${placeText(reference.at)})`,
      };
    }
    case "too-long":
      return { message: `${filter} refers to more rules than can be enforced` };
    case "unsupported":
      return {
        message: `${filter} has a rule that cannot be enforced here: ${fault.reason} (${placeText(fault.rule.rule.at)})`,
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

function sayValues(
  { fault, rule }: Extract<BindingFault, { kind: "values" }>,
  what: string,
): FaultWords {
  const name = fault.variable?.name ?? "";
  const where = `(${placeText(fault.at)}, filter ${quote(rule.filter)})`;
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
      };
    case "reversed":
      return { message: `${what}: the range of ${fault.attribute} ends before it begins ${where}` };
    case "too-many":
      return {
        message: `${what}: the variables of one rule make more combinations than can be enforced ${where}`,
      };
  }
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

function placeText({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`;
}
