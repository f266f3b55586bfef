import { formatPortRange } from "../base/port.ts";
import type { Service } from "./policy.ts";

/** As a policy says it. */
export function printService(service: Service): string {
  if (service.kind === "any") return "any";
  if (service.kind === "protocol") return service.protocol;
  return `${service.protocol}/${formatPortRange(service.ports)}`;
}
