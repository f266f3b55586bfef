import { quote } from "../base/quote.ts";
import { breach } from "./law.ts";
import type { GuestLaw } from "./law.ts";

/** Groups judge what crosses a bridge of the kernel's, or is routed to one; what another nic sends and receives they never see. */
export const groupsOffBridges: GuestLaw = ({ guest, written, nics }) => {
  const [first] = written?.groups ?? [];
  if (first === undefined) return [];
  const off = nics.flatMap(({ nic, offBridge: why }) =>
    why === undefined ? [] : `nic ${nic.mac} (${why})`,
  );
  if (off.length === 0) return [];
  return [
    breach("warning", "GROUPS_OFF_BRIDGE", {
      at: first.at,
      message: `the groups of ${quote(guest.name)} do not judge ${off.join(" and ")}`,
      hint: "give the guest a nic on a bridge instead, or filter that one inside the guest",
    }),
  ];
};
