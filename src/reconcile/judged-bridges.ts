import type { InterfaceName } from "../base/interface-name.ts";
import type { Desired } from "./decide.ts";

/** Bridges on which every packet of a guest gets a verdict of ours. An uplink's own bridge carries the host's packets too. */
export function judgedBridges({ compiled }: Pick<Desired, "compiled">): readonly InterfaceName[] {
  return compiled.intent.networks
    .filter(({ mode }) => mode !== "open" && mode !== "bridge")
    .map(({ bridge }) => bridge)
    .toSorted();
}
