import type { Examination } from "./examination.ts";
import type { Facts } from "./facts.ts";
import { routedNetworks } from "./routed-networks.ts";
import { settingsFinding, type WantedSetting } from "./settings.ts";

const forwarding = "net/ipv6/conf/all/forwarding";

/**
 * A host that forwards IPv6 hears routers only where `accept_ra` is 2 (ip-sysctl.rst): with 1 it loses its default route at once, and its
 * address when that runs out.
 */
export const routerAdvertisements: Examination<Names> = {
  id: "router-advertisements",
  needs: ["settings", "links", "routes", "desired"],
  examine(facts) {
    return deafInterfaces(facts).map((setting) =>
      settingsFinding(facts.settings, [setting], {
        severity: "error",
        message: `with IPv6 forwarding on, the host takes no route or address from the routers behind ${deviceOf(setting)}`,
      }),
    );
  },
};

type Names = "settings" | "links" | "routes" | "desired";

/** What has to be set before IPv6 forwarding may be switched on, or should have been. */
export function deafInterfaces(facts: Pick<Facts, Names>): readonly WantedSetting[] {
  const { settings, links, desired } = facts;
  const isNeeded = routedNetworks(desired, 6).length > 0;
  if (!isNeeded && settings.get(forwarding) !== "1") return [];
  return links
    .map(({ name }) => name)
    .filter((device) => settings.get(acceptPath(device)) === "1")
    .filter((device) => settings.get(`net/ipv6/conf/${device}/disable_ipv6`) !== "1")
    .filter((device) => hearsRouters(facts, device))
    .map((device) => ({ path: acceptPath(device), value: "2" }));
}

function hearsRouters({ links, routes }: Pick<Facts, Names>, device: string): boolean {
  const defaults = routes.filter(({ family, prefix }) => family === 6 && prefix === undefined);
  const own = defaults.filter(({ devices }) => devices.includes(device));
  const link = links.find(({ name }) => name === device);
  return (
    own.some(({ protocol }) => protocol === "ra") ||
    link?.addresses.some(({ isAutomatic }) => isAutomatic) === true
  );
}

function acceptPath(device: string): string {
  return `net/ipv6/conf/${device}/accept_ra`;
}

function deviceOf({ path }: WantedSetting): string {
  return path.split("/").at(-2) ?? "";
}
