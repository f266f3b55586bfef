import { nearest } from "../base/nearest.ts";
import { quote } from "../base/quote.ts";
import { remembered } from "../base/remembered.ts";
import { conditionsOf, variablesOf } from "../model/filter-conditions.ts";
import { filtersOf } from "../model/filter-binding.ts";
import { expandFilter, type Expansion, type Filters } from "../model/filter-expansion.ts";
import { breach, didYouMean } from "./law.ts";
import type { NameRef, NicPolicy } from "../model/policy.ts";
import type { Problem } from "../model/problem.ts";
import type { Law } from "./law.ts";

/** What they mean is not said by rules alone (libvirt 11.3 nwfilter_params.h). */
const reserved = ["IP", "IPV6", "DHCPSERVER", "DHCPSERVERV6", "CTRL_IP_LEARNING"];

/** Parameters are a filter's, and it asks for them. */
export const usedParameters: Law = ({ guests }, inventory) => {
  const filters = filtersOf(inventory);
  return [...guests.values()].flatMap((guest) =>
    [...guest.nics.values()]
      .filter((nic) => nic.parameters.size > 0)
      .flatMap((nic) => {
        const filter = nic.filter ?? guest.filter;
        if (filter !== undefined) return unused(nic, filter, filters);
        return [
          breach("warning", "UNUSED_PARAMETERS", {
            at: nic.at,
            message: `nic ${nic.mac} has parameters and no filter`,
            hint: "name the filter that they are for: filter: ...",
          }),
        ];
      }),
  );
};

function unused(nic: NicPolicy, filter: NameRef, filters: Filters): Problem[] {
  const expansion = expandFilter(filters, filter.name);
  // Where a part of it is missing, nobody knows what that would ask for.
  if (expansion === undefined || expansion.broken.length > 0) return [];
  const asked = askedIn(expansion);
  const known = [...asked, ...reserved];
  return [...nic.parameters.keys()]
    .filter((name) => !known.includes(name))
    .map((name) =>
      breach("warning", "UNUSED_PARAMETERS", {
        at: nic.parametersAt?.get(name) ?? nic.at,
        message: `filter ${quote(filter.name)} asks for no parameter ${quote(name)}`,
        hint: didYouMean(nearest(name, known)) ?? askedText([...asked]),
      }),
    );
}

function askedText(asked: readonly string[]): string {
  return asked.length === 0 ? "it asks for none" : `it asks for ${asked.join(", ")}`;
}

const askedIn = remembered(({ rules }: Expansion): ReadonlySet<string> => {
  const names = rules.flatMap(({ rule }) =>
    conditionsOf(rule).flatMap((condition) => variablesOf(condition).map(({ name }) => name)),
  );
  return new Set(names);
});
