import { quote } from "../base/quote.ts";
import type { Examination, Finding } from "./examination.ts";
import type { Facts } from "./facts.ts";
import { deafInterfaces } from "./router-advertisements.ts";
import { routedNetworks, uplinksOf } from "./routed-networks.ts";
import { settingFix, settingText, type WantedSetting } from "./settings.ts";

/** The kernel sends on nothing that is not for it, of a family or of an interface, and a network of the policy needs that it does. */
export const forwarding: Examination<Names> = {
  id: "forwarding",
  needs: ["settings", "links", "routes", "desired"],
  examine: (facts) => [...ofIpv4(facts), ...ofIpv6(facts)],
};

type Names = "settings" | "links" | "routes" | "desired";

/** Of IPv4 the interface that a packet comes in by decides. */
function ofIpv4({ settings, desired }: Pick<Facts, Names>): readonly Finding[] {
  const networks = routedNetworks(desired, 4);
  if (networks.length === 0) return [];
  const names = networks.map(({ name }) => name);
  const all = "net/ipv4/ip_forward";
  if (settings.get(all) === "0") return [finding(4, names, { settings, wanted: [on(all)] })];
  const devices = [...networks.map(({ bridge }) => bridge), ...uplinksOf(desired)];
  return devices
    .map((device) => `net/ipv4/conf/${device}/forwarding`)
    .filter((path) => settings.get(path) === "0")
    .map((path) => finding(4, names, { settings, wanted: [on(path)] }));
}

/** Of IPv6 one setting decides for all interfaces; the others say who hears routers. */
function ofIpv6(facts: Pick<Facts, Names>): readonly Finding[] {
  const { settings, desired } = facts;
  const networks = routedNetworks(desired, 6);
  const all = "net/ipv6/conf/all/forwarding";
  if (networks.length === 0 || settings.get(all) !== "0") return [];
  const names = networks.map(({ name }) => name);
  return [finding(6, names, { settings, wanted: [...deafInterfaces(facts), on(all)] })];
}

function finding(
  family: 4 | 6,
  networks: readonly string[],
  { settings, wanted }: { settings: Facts["settings"]; wanted: readonly WantedSetting[] },
): Finding {
  return {
    severity: "error",
    message: `the host does not forward IPv${family} for ${networks.map(quote).join(", ")}`,
    evidence: wanted.map(({ path }) => settingText(settings, path)),
    fix: settingFix(wanted),
  };
}

function on(path: string): WantedSetting {
  return { path, value: "1" };
}
