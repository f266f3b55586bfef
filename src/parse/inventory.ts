import type { HostInterface, Inventory } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import type { LibvirtTexts } from "../model/source-text.ts";

/** What libvirt says, understood as far as it can be: a text or a part that makes no sense is left out with a problem. */
export function parseInventory(
  texts: LibvirtTexts,
  interfaces: readonly HostInterface[],
): { inventory: Inventory; problems: Problem[] } {
  void texts;
  return {
    inventory: { networks: [], guests: [], leases: [], host: { interfaces } },
    problems: [],
  };
}
