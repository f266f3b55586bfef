import { readSettings } from "../edge/host/read-settings.ts";
import { runBridge, runIp } from "../edge/host/run-ip.ts";
import { readRuleset } from "../edge/nft/read-ruleset.ts";
import type { Answer } from "../explain/answer.ts";
import {
  readHost,
  settingsOf,
  type ForwardingRow,
  type KnownNic,
  type LinkRow,
  type NeighbourRow,
} from "../explain/read-host.ts";
import type { RouteRow, RuleRow } from "../explain/routes.ts";
import type { Ground } from "../explain/walk.ts";

interface Nic extends Omit<KnownNic, "addresses"> {
  readonly addresses: readonly { readonly address: string }[];
}

export function knownNic({ guest, mac, tap, bridge, addresses }: Nic): KnownNic {
  return {
    guest,
    mac,
    ...(tap !== undefined && { tap }),
    ...(bridge !== undefined && { bridge }),
    addresses: addresses.map(({ address }) => address),
  };
}

/** What explain walks through: the host and all its rules, as they are now. */
export async function readGround(nics: readonly KnownNic[]): Promise<Ground> {
  const routes = ["route", "show", "table", "all"];
  const [links, rules4, rules6, routes4, routes6, neighbours, forwarding] = await Promise.all([
    runIp<LinkRow>(["-d", "addr", "show"]),
    runIp<RuleRow>(["-4", "rule", "show"]),
    runIp<RuleRow>(["-6", "rule", "show"]),
    runIp<RouteRow>(["-4", ...routes]),
    runIp<RouteRow>(["-6", ...routes]),
    runIp<NeighbourRow>(["neigh", "show"]),
    runBridge<ForwardingRow>(["fdb", "show"]),
  ]);
  const settings = await readSettings(settingsOf(links.map(({ ifname }) => ifname)));
  const routing = { rules: { 4: rules4, 6: rules6 }, routes: { 4: routes4, 6: routes6 } };
  const host = readHost({ links, routing, neighbours, forwarding, settings, nics });
  return { tables: await readRuleset(), host };
}

/** Rules that nobody here reads could change any answer. */
export function doubtLegacy(found: Answer, tables: readonly string[]): Answer {
  if (tables.length === 0) return found;
  const { because: _, ...rest } = found;
  const detail = `iptables-legacy has tables (${tables.join(", ")}) that explain does not read`;
  return { ...rest, verdict: "unknown", detail };
}
