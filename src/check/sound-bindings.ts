import { quote } from "../base/quote.ts";
import { describeFault } from "../model/describe-fault.ts";
import { bindingOf, bridgeTrackingOf, filtersOf } from "../model/filter-binding.ts";
import { type BindingFault, faultsOf } from "../model/filter-faults.ts";
import { breach } from "./law.ts";
import type { Law } from "./law.ts";

/** Every filter that is bound to a nic is there and has what its variables need. A nic of which that is not so passes nothing. */
export const soundBindings: Law = (policy, inventory) => {
  const filters = filtersOf(inventory);
  const world = { filters, bridgeTracking: bridgeTrackingOf(inventory.host) };
  return inventory.guests.flatMap((guest) =>
    guest.nics.flatMap((nic) => {
      const binding = bindingOf(policy, guest, nic);
      if (binding === undefined) return [];
      const [fault] = faultsOf(world, binding);
      if (fault === undefined) return [];
      const { message, hint } = describeFault(fault, binding, filters);
      return [
        breach("error", codeOf(fault), {
          at: binding.at,
          message: `nic ${nic.mac} of guest ${quote(guest.name)}: ${message}`,
          hint,
        }),
      ];
    }),
  );
};

function codeOf(fault: BindingFault): string {
  switch (fault.kind) {
    case "unknown-filter":
    case "broken-reference":
      return "UNKNOWN_FILTER";
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
