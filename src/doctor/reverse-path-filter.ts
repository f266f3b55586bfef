import type { HostRoute, RoutingRule } from "../ports/host-facts.ts";
import type { Examination } from "./examination.ts";
import { settingsFinding, settingText } from "./settings.ts";

/**
 * With `rp_filter` 1 the kernel takes a packet only from the interface by which it would answer its source. Behind a second uplink, or
 * with routing by mark, the answer goes another way: the destination has been rewritten to the guest by then, so rules `from` the public
 * address do not count. 2 asks only that there is a way back.
 */
export const reversePathFilter: Examination<"settings" | "routes" | "routingRules"> = {
  id: "reverse-path-filter",
  needs: ["settings", "routes", "routingRules"],
  examine({ settings, routes, routingRules }) {
    const defaults = routes.filter(({ family, prefix }) => family === 4 && prefix === undefined);
    const all = settings.get("net/ipv4/conf/all/rp_filter");
    return asymmetric(defaults, routingRules)
      .map((device) => `net/ipv4/conf/${device}/rp_filter`)
      .filter((path) => strictness(all, settings.get(path)) === 1)
      .map((path) => {
        const device = path.split("/").at(-2) ?? "";
        const finding = settingsFinding(settings, [{ path, value: "2" }], {
          severity: "error",
          message: `the kernel drops what comes in by ${device} from the world, since its own way to the world is another one`,
        });
        const ways = defaults.map(
          ({ devices, table }) => `default route by ${devices.join(", ")} in table ${table}`,
        );
        const general = settingText(settings, "net/ipv4/conf/all/rp_filter");
        return { ...finding, evidence: [...finding.evidence, general, ...ways] };
      });
  },
};

/** The kernel takes the greater of both. */
function strictness(all: string | undefined, own: string | undefined): number {
  return Math.max(Number(all ?? 0), Number(own ?? 0));
}

/** Interfaces that the world may come in by and by which the host does not answer it, or not always. */
function asymmetric(defaults: readonly HostRoute[], rules: readonly RoutingRule[]): string[] {
  const [best] = defaults
    .filter(({ table }) => table === "main")
    .toSorted((a, b) => a.metric - b.metric);
  const isMarked = rules.some(({ family, mark }) => family === 4 && mark !== undefined);
  const devices = new Set(defaults.flatMap((route) => route.devices));
  if (devices.size < 2) return [];
  return [...devices].filter((device) => isMarked || best?.devices.includes(device) !== true);
}
