import { formatPortRange } from "../base/port.ts";
import { breach } from "./law.ts";
import type { PolicyLaw } from "./law.ts";
import type { PortMapping, Service } from "../model/policy.ts";

/**
 * A publication on every address of the uplinks takes its ports away from the host itself. Ports of the host's failsafe, by default
 * SSH, are what the admin comes in by: they are given away by name of an address only.
 */
export const failsafePublications: PolicyLaw = ({ host: { failsafe }, guests }) =>
  [...guests.values()]
    .flatMap(({ publish }) => publish.filter(({ address }) => address === undefined))
    .flatMap(({ ports }) => ports)
    .filter((mapping) => failsafe.some((service) => takes(mapping, service)))
    .map((mapping) => {
      const text = `${mapping.protocol}/${formatPortRange(mapping.public)}`;
      return breach("error", "PUBLISH_CUTS_FAILSAFE", {
        at: mapping.at,
        message: `${text} on every address takes away a failsafe port of the host itself`,
        hint: "give it an address or another public port, as tcp/2222:22",
      });
    });

function takes({ protocol, public: { first, last } }: PortMapping, service: Service): boolean {
  if (service.kind === "any") return true;
  if (service.protocol !== protocol) return false;
  return (
    service.kind === "protocol" || (service.ports.first <= last && first <= service.ports.last)
  );
}
