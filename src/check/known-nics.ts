import { nearest } from "../base/nearest.ts";
import { quote } from "../base/quote.ts";
import { breach, didYouMean } from "./law.ts";
import type { GuestLaw } from "./law.ts";

/** While a guest runs, the nics that the policy names are its nics. */
export const knownNics: GuestLaw = ({ guest, written }) => {
  if (written === undefined || written.nics.size === 0) return [];
  const macs = guest.nics.map(({ mac }) => String(mac));
  return [...written.nics.values()]
    .filter(({ mac }) => !macs.includes(mac))
    .map(({ mac, at }) =>
      breach("warning", "UNKNOWN_NIC", {
        at,
        message: `guest ${quote(guest.name)} has no nic ${mac}`,
        hint:
          didYouMean(nearest(mac, macs)) ??
          (macs.length === 0 ? "it has none at all" : `it has ${macs.slice(0, 8).join(", ")}`),
      }),
    );
};
