import { quote } from "../base/quote.ts";
import { breach } from "./law.ts";
import type { GuestLaw } from "./law.ts";

/** What passes both libvirt's filter of a nic and ours is less than what either lets through, and libvirt's costs what it costs. */
export const filteredTwice: GuestLaw = ({ guest, nics }) =>
  nics.flatMap(({ nic: { mac, filterRef }, binding }) => {
    if (filterRef === undefined || binding === undefined) return [];
    const ours = `virtwall binds it to ${quote(binding.filter)}`;
    const theirs = `libvirt enforces ${quote(filterRef.filter)} too`;
    return [
      breach("warning", "FILTERED_TWICE", {
        at: filterRef.at,
        message: `nic ${mac} of guest ${quote(guest.name)}: ${ours}, and ${theirs}`,
        hint: `virtwall nwfilter adopt ${quote(guest.name)} moves libvirt's to virtwall`,
      }),
    ];
  });
