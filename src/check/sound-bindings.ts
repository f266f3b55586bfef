import { quote } from "../base/quote.ts";
import { describeFault } from "../model/describe-fault.ts";
import type { FilterBinding, FilterWorld } from "../model/filter-binding.ts";
import { type BindingFault, faultsOf } from "../model/filter-faults.ts";
import { breach } from "./law.ts";
import type { Place } from "../model/problem.ts";
import type { GuestLaw } from "./law.ts";

/** Every filter that is bound to a nic is there and has what its variables need. A nic of which that is not so passes nothing. */
export const soundBindings: GuestLaw = ({ guest, nics }, world) =>
  nics.flatMap(({ nic, binding }) => {
    if (binding === undefined) return [];
    const [fault] = faultsOf(world, binding);
    if (fault === undefined) return [];
    const { message, hint } = describeFault(fault, binding, world);
    return [
      breach("error", codeOf(fault, world), {
        at: placeOf(fault, binding),
        message: `nic ${nic.mac} of guest ${quote(guest.name)}: ${message}`,
        hint,
      }),
    ];
  });

/** Of the parameter that is to blame, if one is; else where the filter is named. */
function placeOf(fault: BindingFault, { at, parametersAt }: FilterBinding): Place {
  const name =
    fault.kind === "learning"
      ? fault.variable
      : fault.kind === "values"
        ? fault.fault.variable?.name
        : undefined;
  return parametersAt?.get(name ?? "") ?? at;
}

function codeOf(fault: BindingFault, { filters }: FilterWorld): string {
  switch (fault.kind) {
    case "unknown-filter":
      return "UNKNOWN_FILTER";
    case "broken-reference":
      return filters.has(fault.reference.filter) ? "FILTER_CYCLE" : "UNKNOWN_FILTER";
    case "too-long":
      return "FILTER_TOO_LONG";
    case "unsupported":
      return "FILTER_NOT_ENFORCEABLE";
    case "learning":
      return "BAD_VARIABLE";
    case "values":
      return fault.fault.kind === "missing" ? "MISSING_VARIABLE" : "BAD_VARIABLE";
  }
}
