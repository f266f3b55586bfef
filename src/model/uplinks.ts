import type { Host } from "./inventory.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { HostPolicy } from "./policy.ts";

/** Policy's uplinks, or else the interfaces that hold a default route. */
export function uplinkNames(
  { uplinks }: HostPolicy,
  { interfaces }: Host,
): ReadonlySet<InterfaceName> {
  const defaults = interfaces.filter(({ hasDefaultRoute }) => hasDefaultRoute);
  return new Set(uplinks ?? defaults.map(({ name }) => name));
}
