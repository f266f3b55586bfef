import { readSettings } from "../edge/host/read-settings.ts";
import { runBridge, runIp } from "../edge/host/run-ip.ts";
import { readRuleset } from "../edge/nft/read-ruleset.ts";
import { legacyTablesInUse } from "../edge/xtables/xtables.ts";
import { answer, type Answer } from "../explain/answer.ts";
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
import { SourceError } from "../ports/sources.ts";
import { collect } from "./collect.ts";
import { exitStatus, type ExitStatus } from "./exit-status.ts";
import { readQuestion, type Words } from "./explain-words.ts";
import { printJson, type Output } from "./output.ts";
import { printAnswer } from "./print-answer.ts";
import { demandRoot, type Settings } from "./settings.ts";

/** Exit status 0 only where the flow arrives, and its answer comes back. */
export async function runExplain(
  settings: Settings,
  output: Output,
  asked: { readonly words: Words; readonly iif?: string },
): Promise<ExitStatus> {
  demandRoot("explain");
  const namesGuest = [asked.words.from, asked.words.to].some((end) => end.startsWith("guest:"));
  const nics = await readNics(settings, namesGuest);
  const ground = await readGround(nics);
  const question = readQuestion(asked, { ground, nics });
  const found = doubtLegacy(answer(ground, question), await legacyTablesInUse());
  if (settings.json) printJson(output, found);
  else output.out(printAnswer(found, asked.words));
  return found.verdict === "delivered" ? exitStatus.ok : exitStatus.problems;
}

/** Without libvirt the tables of the kernel have to do, unless a guest is asked for by name. */
async function readNics(settings: Settings, isNeeded: boolean): Promise<readonly KnownNic[]> {
  try {
    const { decision } = await collect(settings);
    return decision.desired?.compiled.intent.nics.map(knownNic) ?? [];
  } catch (error) {
    if (isNeeded || !(error instanceof SourceError)) throw error;
    return [];
  }
}

interface Nic extends Omit<KnownNic, "addresses"> {
  readonly addresses: readonly { readonly address: string }[];
}

function knownNic({ guest, mac, tap, bridge, addresses }: Nic): KnownNic {
  return {
    guest,
    mac,
    ...(tap !== undefined && { tap }),
    ...(bridge !== undefined && { bridge }),
    addresses: addresses.map(({ address }) => address),
  };
}

async function readGround(nics: readonly KnownNic[]): Promise<Ground> {
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
function doubtLegacy(found: Answer, tables: readonly string[]): Answer {
  if (tables.length === 0) return found;
  const { because: _, ...rest } = found;
  const detail = `iptables-legacy has tables (${tables.join(", ")}) that explain does not read`;
  return { ...rest, verdict: "unknown", detail };
}
