import { quote } from "../base/quote.ts";
import { placeText } from "../model/problem-text.ts";
import { breach } from "./law.ts";
import type { PolicyLaw } from "./law.ts";
import type { Address } from "../base/address.ts";
import { firewallOf } from "../model/firewall-vm.ts";
import type { NicPolicy } from "../model/policy.ts";
import type { Problem } from "../model/problem.ts";

interface Owner {
  readonly guest: string;
  readonly nic: NicPolicy;
}

/**
 * An address is one nic's. Between a policy file and a guest's own XML the latter is at fault; between two guests' XML both are, so
 * that neither can take from the other what it has.
 */
export const distinctAddresses: PolicyLaw = (policy) => {
  const problems: Problem[] = [];
  const firewalls = firewallOf(policy)?.guests ?? [];
  // The router that firewall guests are together has an address of its own.
  const groupsOf = ({ guest }: Owner) =>
    policy.guests
      .get(guest)
      ?.groups.map(({ name }) => name)
      .toSorted()
      .join(" ");
  const areOne = (one: Owner, other: Owner) =>
    one.guest !== other.guest &&
    [one, other].every(({ guest }) => firewalls.includes(guest)) &&
    groupsOf(one) === groupsOf(other);
  const seen = new Map<string, Owner>();
  const owners = [...policy.guests.values()].flatMap(({ name, nics }) =>
    [...nics.values()].map((nic): Owner => ({ guest: name, nic })),
  );
  const written = owners.filter(({ nic }) => !nic.inGuest);
  const own = owners.filter(({ nic }) => nic.inGuest);
  for (const owner of [...written, ...own]) {
    for (const address of new Set(owner.nic.addresses)) {
      const first = seen.get(address);
      if (first !== undefined && areOne(first, owner)) continue;
      if (first === undefined) {
        seen.set(address, owner);
        continue;
      }
      problems.push(givenTwice(address, owner, first));
      if (first.nic.inGuest) problems.push(givenTwice(address, first, owner));
    }
  }
  return problems;
};

function givenTwice(address: Address, { nic }: Owner, other: Owner): Problem {
  const owner = `nic ${other.nic.mac} of guest ${quote(other.guest)}`;
  const message = `${address} is given twice: here and to ${owner} at ${placeText(other.nic.at)}`;
  return breach("error", "DUPLICATE_ADDRESS", { at: nic.at, message });
}
