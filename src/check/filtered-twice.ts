import { quote } from "../base/quote.ts";
import { bindingOf } from "../model/filter-binding.ts";
import { breach } from "./law.ts";
import type { Law } from "./law.ts";

/** What passes both libvirt's filter of a nic and ours is less than what either lets through, and libvirt's costs what it costs. */
export const filteredTwice: Law = (policy, { guests }) =>
  guests.flatMap((guest) =>
    guest.nics.flatMap((nic) => {
      const binding = nic.filterRef && bindingOf(policy, guest, nic);
      if (nic.filterRef === undefined || binding === undefined) return [];
      const ours = `virtwall binds it to ${quote(binding.filter)}`;
      const theirs = `libvirt enforces ${quote(nic.filterRef.filter)} too`;
      return [
        breach("warning", "FILTERED_TWICE", {
          at: nic.filterRef.at,
          message: `nic ${nic.mac} of guest ${quote(guest.name)}: ${ours}, and ${theirs}`,
          hint: `virtwall nwfilter adopt ${quote(guest.name)} moves libvirt's to virtwall`,
        }),
      ];
    }),
  );
