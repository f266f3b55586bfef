import { nearest } from "../base/nearest.ts";
import { quote } from "../base/quote.ts";
import { bindingOf, filtersOf, type FilterBinding } from "../model/filter-binding.ts";
import { type BindingFault, faultsOf } from "../model/filter-faults.ts";
import type { Filters } from "../model/filter-expansion.ts";
import { breach, didYouMean, placeText } from "./law.ts";
import type { Law } from "./law.ts";

/** Every filter that is bound to a nic is there and has what its variables need. A nic of which that is not so passes nothing. */
export const soundBindings: Law = (policy, inventory) => {
  const filters = filtersOf(inventory);
  return inventory.guests.flatMap((guest) =>
    guest.nics.flatMap((nic) => {
      const binding = bindingOf(policy, guest, nic);
      if (binding === undefined) return [];
      const [fault] = faultsOf(filters, binding);
      if (fault === undefined) return [];
      const owner = `nic ${nic.mac} of guest ${quote(guest.name)}`;
      return [
        breach("error", codeOf(fault), {
          at: binding.at,
          ...say(fault, { binding, owner, filters }),
        }),
      ];
    }),
  );
};

interface Subject {
  readonly binding: FilterBinding;
  readonly owner: string;
  readonly filters: Filters;
}

function codeOf(fault: BindingFault): string {
  switch (fault.kind) {
    case "unknown-filter":
    case "broken-reference":
      return "UNKNOWN_FILTER";
    case "too-long":
      return "FILTER_TOO_LONG";
    case "unsupported":
      return "FILTER_NOT_ENFORCEABLE";
    case "values":
      return fault.fault.kind === "missing" ? "MISSING_VARIABLE" : "BAD_VARIABLE";
  }
}

interface Words {
  readonly message: string;
  readonly hint?: string | undefined;
}

function say(fault: BindingFault, { binding, owner, filters }: Subject): Words {
  const filter = `filter ${quote(binding.filter)}`;
  switch (fault.kind) {
    case "unknown-filter":
      return {
        message: `${owner}: there is no ${filter}`,
        hint:
          didYouMean(nearest(binding.filter, filters.keys())) ??
          "virtwall nwfilter list shows them",
      };
    case "broken-reference": {
      const { reference } = fault;
      const why = filters.has(reference.filter) ? "leads back to itself" : "is not there";
      return {
        message: `${owner}: ${filter} refers to ${quote(reference.filter)}, which ${why} (${placeText(reference.at)})`,
      };
    }
    case "too-long":
      return { message: `${owner}: ${filter} refers to more rules than can be enforced` };
    case "unsupported":
      return {
        message: `${owner}: ${filter} has a rule that cannot be enforced here: ${fault.reason} (${placeText(fault.rule.rule.at)})`,
        hint: fault.hint,
      };
    case "values":
      return sayValues(fault, `${owner}: ${filter}`);
  }
}

function sayValues(
  { fault, rule }: Extract<BindingFault, { kind: "values" }>,
  what: string,
): Words {
  const name = fault.variable.name;
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
        message: `${what} asks for $${name}[${fault.variable.element ?? 0}], which is not among its values ${where}`,
        hint: give,
      };
    case "bad-value":
      return {
        message: `${what}: ${quote(fault.text ?? "")} of $${name} is no value for ${fault.attribute} ${where}`,
      };
    case "reversed":
      return { message: `${what}: a range with $${name} ends before it begins ${where}` };
    case "too-many":
      return {
        message: `${what}: the variables beside $${name} make more combinations than can be enforced ${where}`,
      };
  }
}

function hintFor(name: string): string | undefined {
  if (name === "IP" || name === "IPV6") {
    return `give the nic its address: nics: { MAC: { address: ... } }, or parameters: { ${name}: [...] }`;
  }
  return undefined;
}
