import { readClock } from "../edge/host/read-clock.ts";
import { readListeners } from "../edge/host/read-listeners.ts";
import { readQueues } from "../edge/host/read-queues.ts";
import { readSettings } from "../edge/host/read-settings.ts";
import { runBridge, runIp } from "../edge/host/run-ip.ts";
import { readRuleset } from "../edge/nft/read-ruleset.ts";
import {
  hasLegacyTables,
  savedSets,
  unlistedLegacyTables,
  XtablesPrograms,
} from "../edge/xtables/xtables.ts";
import type { Answer } from "../explain/answer.ts";
import { isOpaque, type SavedTables, withIptables } from "../explain/iptables-tables.ts";
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
import type { Table } from "../nft/ast.ts";

interface Nic extends Pick<KnownNic, "guest" | "mac" | "tap" | "bridge"> {
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

/** The tables of everybody and the host's network, as the kernel has them now. */
export interface ReadGround extends Ground {
  /** Tables of iptables-legacy that no installed program lists. */
  readonly unlisted: readonly string[];
}

/** `nics` may be on their way still: rules are read meanwhile. */
export async function readGround(
  nics: readonly KnownNic[] | Promise<readonly KnownNic[]>,
): Promise<ReadGround> {
  const [tables, host, unlisted] = await Promise.all([
    readTables(),
    readHostNow(nics),
    unlistedLegacyTables(),
  ]);
  return { tables, host, unlisted };
}

async function readHostNow(
  nics: readonly KnownNic[] | Promise<readonly KnownNic[]>,
): Promise<Ground["host"]> {
  const routes = ["route", "show", "table", "all"];
  const [
    links,
    rules4,
    rules6,
    routes4,
    routes6,
    neighbours,
    forwarding,
    listeners,
    queues,
    known,
  ] = await Promise.all([
    runIp<LinkRow>(["-d", "addr", "show"]),
    runIp<RuleRow>(["-4", "rule", "show"]),
    runIp<RuleRow>(["-6", "rule", "show"]),
    runIp<RouteRow>(["-4", ...routes]),
    runIp<RouteRow>(["-6", ...routes]),
    runIp<NeighbourRow>(["neigh", "show"]),
    runBridge<ForwardingRow>(["fdb", "show"]),
    readListeners(),
    readQueues(),
    nics,
  ]);
  const settings = await readSettings(settingsOf(links));
  const routing = { rules: { 4: rules4, 6: rules6 }, routes: { 4: routes4, 6: routes6 } };
  return readHost({
    links,
    routing,
    neighbours,
    forwarding,
    settings,
    listeners,
    queues,
    clock: readClock(),
    nics: known,
  });
}

async function readTables(): Promise<readonly Table[]> {
  const [tables, hasLegacy] = await Promise.all([readRuleset(), hasLegacyTables()]);
  if (!hasLegacy && !tables.some(isOpaque)) return tables;
  const saved = (await new XtablesPrograms().list()).map(
    ({ command, tables: own }): SavedTables => ({
      family: command.startsWith("ip6") ? 6 : 4,
      backend: command.endsWith("-legacy") ? "legacy" : "nft",
      tables: own,
    }),
  );
  const sets = saved.some(namesSets) ? await savedSets() : [];
  return withIptables(tables, saved, new Map(sets.map((set) => [set.name, set])));
}

function namesSets({ tables }: SavedTables): boolean {
  return tables.some(({ chains }) =>
    chains.some(({ rules }) => rules.some(({ words }) => words.includes("--match-set"))),
  );
}

/** Rules that nobody here reads could change any answer. */
export function doubtLegacy(found: Answer, tables: readonly string[]): Answer {
  if (tables.length === 0) return found;
  const { because: _, ...rest } = found;
  return { ...rest, verdict: "unknown", detail: legacyDoubt(tables) };
}

export function legacyDoubt(tables: readonly string[]): string {
  return `iptables-legacy has tables (${tables.join(", ")}) that no program here lists`;
}
