import { quote } from "../base/quote.ts";
import { breach } from "./law.ts";
import type { GuestLaw } from "./law.ts";

/** A filter judges what crosses a bridge of the kernel's; of any other nic everything would pass, whatever the filter says. */
export const filtersOnBridges: GuestLaw = ({ guest, nics }) =>
  nics.flatMap(({ nic, binding, offBridge: why }) => {
    if (binding === undefined || why === undefined) return [];
    return [
      breach("error", "FILTER_OFF_BRIDGE", {
        at: binding.at,
        message: `nic ${nic.mac} of guest ${quote(guest.name)}: nothing enforces filter ${quote(binding.filter)}: ${why}`,
        hint: "name the filter under nics: MAC: of the nics on bridges, or give the nic a bridge",
      }),
    ];
  });
