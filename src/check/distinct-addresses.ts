import { quote } from "../base/quote.ts";
import { breach, placeText } from "./law.ts";
import type { PolicyLaw } from "./law.ts";
import type { Place, Problem } from "../model/problem.ts";

/** An address is one nic's. */
export const distinctAddresses: PolicyLaw = (policy) => {
  const problems: Problem[] = [];
  const seen = new Map<string, { guest: string; mac: string; at: Place }>();
  for (const guest of policy.guests.values()) {
    for (const nic of guest.nics.values()) {
      for (const address of new Set(nic.addresses)) {
        const first = seen.get(address);
        if (first === undefined) {
          seen.set(address, { guest: guest.name, mac: nic.mac, at: nic.at });
          continue;
        }
        const owner = `nic ${first.mac} of guest ${quote(first.guest)}`;
        const message = `${address} is given twice: here and to ${owner} at ${placeText(first.at)}`;
        problems.push(breach("error", "DUPLICATE_ADDRESS", { at: nic.at, message }));
      }
    }
  }
  return problems;
};
