import { breach } from "./law.ts";
import type { PolicyLaw } from "./law.ts";

/** Parameters are a filter's. */
export const usedParameters: PolicyLaw = ({ guests }) =>
  [...guests.values()].flatMap((guest) =>
    [...guest.nics.values()]
      .filter((nic) => nic.parameters.size > 0 && (nic.filter ?? guest.filter) === undefined)
      .map((nic) =>
        breach("warning", "UNUSED_PARAMETERS", {
          at: nic.at,
          message: `nic ${nic.mac} has parameters and no filter`,
          hint: "name the filter that they are for: filter: ...",
        }),
      ),
  );
