import { quote } from "../base/quote.ts";
import { learnedAddresses, type RefusedClaim } from "../model/learned-addresses.ts";
import { breach } from "./law.ts";
import type { Law } from "./law.ts";
import type { Problem } from "../model/problem.ts";

/** A guest claims no address of the host's or of another nic's. It gets none, so nobody else is held up. */
export const ownAddresses: Law = (policy, inventory) => {
  const told = new Set<string>();
  return learnedAddresses(policy, inventory).refused.flatMap((claim) => {
    const problem = describe(claim);
    const key = `${problem.at.file}:${problem.at.line} ${problem.message}`;
    if (told.has(key)) return [];
    told.add(key);
    return problem;
  });
};

function describe({ guest, nic, address, rival }: RefusedClaim): Problem {
  const who = `nic ${nic.mac} of guest ${quote(guest.name)}`;
  if (rival === undefined) {
    const message = `${who} claims ${address}, which is the host's own: it is not used`;
    return breach("warning", "ADDRESS_OF_HOST", { at: nic.at, message });
  }
  const other = `nic ${rival.nic.mac} of guest ${quote(rival.guest.name)}`;
  const message = `${who} claims ${address}, and so does ${other}: it is not used`;
  const hint = "give the right one the address in the policy, or a reservation";
  return breach("warning", "ADDRESS_CLAIMED_TWICE", { at: nic.at, message, hint });
}
