import { rm } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { defined } from "../base/defined.ts";
import { reasonOf } from "../base/reason-of.ts";
import { shellWord } from "../base/shell-word.ts";
import { PolicyFiles } from "../edge/files/policy-files.ts";
import { StateFolder } from "../edge/files/state-folder.ts";
import { writeThroughLink } from "../edge/files/write-atomically.ts";
import { FirewalldBus } from "../edge/firewalld/firewalld-bus.ts";
import { VirshNetworks } from "../edge/libvirt/virsh-networks.ts";
import { callDaemon } from "../edge/socket/daemon-client.ts";
import type { Network } from "../model/inventory.ts";
import type { SourceText } from "../model/source-text.ts";
import {
  forwardElementOf,
  isSameButForward,
  withForwardElement,
} from "../parse/network-forward.ts";
import { parseNetworkXml } from "../parse/network-xml.ts";
import { StateError, type SavedAdoption } from "../ports/state.ts";
import { adopt, giveBack, type AdoptionPorts } from "../reconcile/adopt.ts";
import { compareReach, describeReach, type Reach } from "../reconcile/describe-reach.ts";
import { editedSinceStart, planAdoption, type AdoptionPlan } from "../reconcile/plan-adoption.ts";
import { planLinks } from "../reconcile/plan-links.ts";
import { AdoptionError } from "../reconcile/step-back.ts";
import { planTables } from "../reconcile/plan-tables.ts";
import { collect, imagine, type Collected } from "./collect.ts";
import { printColumns } from "./columns.ts";
import { converge, noDaemon, orAdoptionError, refuseOtherPolicy } from "./converge.ts";
import { addNetworkKeys, namesNetwork, removeNetworkKeys } from "./edit-network.ts";
import {
  ComplaintError,
  exitStatus,
  RefusedError,
  UsageError,
  type ExitStatus,
} from "./exit-status.ts";
import { printJson, type Output } from "./output.ts";
import { planNetworkBack } from "./plan-network-back.ts";
import { hasErrors, verdictOf } from "./print-problems.ts";
import { demandRoot, refuseFolder, type Settings } from "./settings.ts";
import { stoppable } from "./stoppable.ts";

export interface AdoptOptions {
  readonly network: string;
  readonly isDryRun: boolean;
  readonly isUndo: boolean;
}

/** The body of `virtwall adopt --json`. */
export interface AdoptResult {
  readonly network: string;
  /** `possible`: what a dry run finds. `refused`: see `obstacles`; nothing was changed. */
  readonly state: "adopted" | "possible" | "refused" | "open already" | "given back";
  /** The policy file that is edited and what is added to it; null where the policy says it all already. */
  readonly policy: { readonly file: string; readonly keys: SavedAdoption["keys"] } | null;
  /** The element of libvirt's XML that is replaced. */
  readonly forward: string | null;
  /** Who reaches whom, before and after. */
  readonly reach: Readonly<Record<string, string>>;
  /** What of it changes: only what the policy asks for. */
  readonly differences: readonly string[];
  readonly obstacles: readonly string[];
}

const openForward = "<forward mode='open'/>";

export async function runAdopt(
  settings: Settings,
  output: Output,
  options: AdoptOptions,
): Promise<ExitStatus> {
  if (settings.inventoryFolder === undefined) demandRoot("adopt");
  else if (!options.isDryRun) refuseFolder("adopt", settings);
  const result = options.isUndo
    ? await undo(settings, output, options)
    : await makeOpen(settings, output, options);
  if (settings.json) printJson(output, result);
  else output.out(printResult(result));
  return result.state === "refused" ? exitStatus.problems : exitStatus.ok;
}

async function makeOpen(
  settings: Settings,
  output: Output,
  { network: name, isDryRun }: AdoptOptions,
): Promise<AdoptResult> {
  const before = await collect(settings);
  if ((await savedAdoption(settings, name)) !== undefined && !isOpen(before, name)) {
    throw new RefusedError(
      `an adoption of ${name} was broken off: virtwall adopt ${shellWord(name)} --undo, and adopt it again`,
    );
  }
  const network = networkOf(before, name);
  const nothing = { network: name, policy: null, forward: null, reach: {}, differences: [] };
  if (network.forward === "open") return { ...nothing, state: "open already", obstacles: [] };
  if (hasErrors(before.decision.problems)) {
    throw new RefusedError(`there are ${verdictOf(before.decision.problems)}: virtwall check`);
  }
  const xml = await keptXml(settings, name);
  const { keys, obstacles } = await plan(settings, before, { network, xml });
  if (obstacles.length > 0) return { ...nothing, state: "refused", obstacles };
  const edit = editPolicy(settings, before.policyTexts, { name, keys });
  const after = await imagine(settings, {
    ...(edit.after !== undefined && { policy: { file: edit.file, text: edit.after } }),
    network: (xml) => (isOf(xml, name) ? (withForwardElement(xml, openForward) ?? xml) : xml),
  });
  const { reach, unasked } = compare(before, after, name);
  if (unasked.length > 0) {
    return { ...nothing, state: "refused", reach: Object.fromEntries(reach), obstacles: unasked };
  }
  const changed = withForwardElement(xml ?? "", openForward);
  const found = {
    network: name,
    policy: edit.after === edit.before ? null : { file: edit.file, keys },
    forward: forwardElementOf(xml ?? "") ?? null,
    reach: Object.fromEntries(reach),
    differences: askedFor(before, network),
    obstacles: [],
  };
  if (isDryRun) return { ...found, state: "possible" };
  if (xml === undefined || changed === undefined)
    throw new RefusedError(`the XML of ${name} is not understood`);
  await refuseOtherPolicy(settings, before.policyTexts);
  const adoption = { network: name, xml: { before: xml, after: changed }, policy: edit, keys };
  await stoppable(output, (tell) => adopt(adoption, { ...portsOf(settings, name), tell }));
  return { ...found, state: "adopted" };
}

async function plan(
  settings: Settings,
  collected: Collected,
  { network, xml }: { readonly network: Network; readonly xml: string | undefined },
): Promise<AdoptionPlan> {
  const { name } = network;
  const { policy, inventory } = collected.written;
  const kept = xml === undefined ? undefined : parseNetworkXml({ file: name, text: xml }).network;
  const { keys, obstacles } = planAdoption({ policy, inventory, network, ...defined({ kept }) });
  const live = liveXml(collected, name);
  const isSame = xml === undefined || live === undefined || isSameButForward(live, xml);
  const edited = isSame ? [] : [editedSinceStart(name)];
  const zone = await zoneObstacles(settings, policy.host, name);
  return { keys, obstacles: [...new Set([...obstacles, ...edited, ...zone])] };
}

/** By which libvirt starts the network the next time. A folder has none. */
async function keptXml(
  { inventoryFolder, connectUri }: Settings,
  name: string,
): Promise<string | undefined> {
  if (inventoryFolder !== undefined) return undefined;
  const xml = await new VirshNetworks(connectUri).persistentXml(name);
  if (xml === undefined)
    throw new RefusedError(`libvirt keeps no XML of ${name}: net-define it first`);
  return xml;
}

async function undo(
  settings: Settings,
  output: Output,
  { network: name, isDryRun }: AdoptOptions,
): Promise<AdoptResult> {
  if (isDryRun) throw new UsageError("--undo and --dry-run exclude each other");
  const adoption = await savedAdoption(settings, name);
  if (!adoption) throw new ComplaintError(`${name} was not adopted, or was given back already`);
  const kept = await new VirshNetworks(settings.connectUri).persistentXml(name);
  const live = liveXml(await collect(settings), name);
  const back = kept === undefined ? undefined : planNetworkBack(adoption, { kept, live });
  if (kept === undefined || back === undefined) {
    throw new RefusedError(
      `the XML of ${name} is not what it was adopted with: nothing was changed`,
    );
  }
  const { xml: before, forward, edits, obstacles } = back;
  const found = { network: name, policy: null, forward: null, reach: {}, differences: [] };
  if (obstacles.length > 0) return { ...found, state: "refused", obstacles };
  const policy = await policyWithout(adoption);
  const saved = { ...adoption, xml: { before, after: kept } };
  const now = { xml: kept, isRunning: live !== undefined, policy };
  await stoppable(output, (tell) => giveBack(saved, now, { ...portsOf(settings, name), tell }));
  const { decision } = await collect(settings);
  return {
    network: name,
    state: "given back",
    policy: policy.after === policy.before ? null : { file: policy.file, keys: adoption.keys },
    forward,
    reach: Object.fromEntries(reachOf(decision, name)),
    differences: edits,
    obstacles: [],
  };
}

async function savedAdoption(
  { stateFolder }: Settings,
  name: string,
): Promise<SavedAdoption | undefined> {
  const adoptions = await new StateFolder(stateFolder).loadAdoptions();
  return adoptions.find(({ network }) => network === name);
}

/** The bytes of before where the file is as adoption left it; otherwise without what was added then. */
async function policyWithout({
  network,
  policy,
  keys,
}: SavedAdoption): Promise<SavedAdoption["policy"]> {
  const files = await new PolicyFiles(policy.file).read();
  const now = files.find(({ file }) => file === policy.file)?.text;
  if (now === policy.after) return { file: policy.file, before: now, after: policy.before };
  const after = now === undefined ? undefined : removeNetworkKeys(now, network, keys);
  return { file: policy.file, before: now, after };
}

/** By which it runs; undefined where it does not. */
function liveXml(collected: Collected, name: string): string | undefined {
  const network = findNetwork(collected, name);
  return network && collected.texts.get(network.at.file);
}

function findNetwork({ written }: Collected, name: string): Network | undefined {
  return written.inventory.networks.find((candidate) => candidate.name === name);
}

function networkOf(collected: Collected, name: string): Network {
  const network = findNetwork(collected, name);
  if (network === undefined) throw new ComplaintError(`no network ${name} runs: virsh net-list`);
  return network;
}

function isOpen({ written }: Collected, name: string): boolean {
  return written.inventory.networks.some(
    (network) => network.name === name && network.forward === "open",
  );
}

function isOf(text: string, name: string): boolean {
  return parseNetworkXml({ file: "network", text }).network?.name === name;
}

/** The file that speaks of the network already, or the main one. */
function editPolicy(
  { policyFile }: Settings,
  texts: readonly SourceText[],
  { name, keys }: { readonly name: string; readonly keys: SavedAdoption["keys"] },
): SavedAdoption["policy"] {
  const source =
    texts.find(({ text }) => namesNetwork(text, name)) ??
    texts.find(({ file }) => file === policyFile);
  const file = source?.file ?? policyFile;
  const before = source?.text;
  const isSaid = Object.keys(keys).length === 0;
  return { file, before, after: isSaid ? before : addNetworkKeys(before ?? "", name, keys) };
}

function reachOf({ desired }: Collected["decision"], name: string): Reach {
  return desired ? describeReach(desired.compiled.intent, name) : new Map();
}

/** libvirt puts the bridge of an open network into no zone, and the default zone of firewalld would shut its guests off. */
async function zoneObstacles(
  { inventoryFolder, connectUri }: Settings,
  { integration }: Collected["written"]["policy"]["host"],
  name: string,
): Promise<readonly string[]> {
  if (integration === "auto" || inventoryFolder !== undefined) return [];
  const firewalld = new FirewalldBus();
  try {
    if ((await firewalld.read()) === undefined) return [];
  } finally {
    firewalld.close();
  }
  const xml = await new VirshNetworks(connectUri).persistentXml(name);
  if (/<bridge\s[^>]*\bzone=/.test(xml ?? "")) return [];
  return [
    `firewalld runs, and nobody would tell it of the bridge then (integration: ${integration}): ` +
      "integration: auto, or <bridge zone='...'/> in the network's XML",
  ];
}

/** Our side before and after: it has to be the same, to the last element of a set. */
function compare(
  before: Collected,
  after: Collected,
  name: string,
): { readonly reach: Reach; readonly unasked: readonly string[] } {
  const reach = reachOf(before.decision, name);
  const differences = compareReach(reach, reachOf(after.decision, name));
  const errors = after.decision.problems.filter(({ severity }) => severity === "error");
  const tables = (collected: Collected) => collected.decision.desired?.compiled.tables ?? [];
  const { changes } = planTables(tables(before), tables(after));
  const words = errors.map((problem) => problem.message);
  return { reach, unasked: [...words, ...differences, ...changes] };
}

/** What libvirt's rules did and the policy does not want. */
function askedFor({ written }: Collected, { name, forward }: Network): string[] {
  const { mode } = written.policy.networks.get(name) ?? {};
  const { integration } = written.policy.host;
  return [
    ...(forward === "nat" && mode !== undefined && mode !== "nat"
      ? [
          `libvirt rewrites the sources of its guests; the policy says mode: ${mode}, and that holds then`,
        ]
      : []),
    ...(integration === "auto"
      ? []
      : [`libvirt may reject what is published (integration: ${integration}); nobody does then`]),
  ];
}

function portsOf(settings: Settings, name: string): Omit<AdoptionPorts, "tell"> {
  return {
    networks: new VirshNetworks(settings.connectUri),
    store: new StateFolder(settings.stateFolder),
    policy: { write: writePolicy },
    daemon: {
      converge: () => converge(settings),
      hold: () => hold(settings),
      untilPluggedIn: () => untilPluggedIn(settings, name),
    },
  };
}

async function writePolicy(file: string, text: string | undefined): Promise<void> {
  try {
    await (text === undefined ? rm(file, { force: true }) : writeThroughLink(file, text));
  } catch (cause) {
    throw new StateError(`cannot write ${file}: ${reasonOf(cause)}`, { cause });
  }
}

async function hold({ daemonSocket }: Settings): Promise<() => void> {
  const replies = callDaemon(daemonSocket, { request: "hold" });
  const { value } = await orAdoptionError(replies.next());
  if (value?.kind !== "held") throw new AdoptionError(noDaemon);
  return () => void replies.return();
}

const patienceMs = 15_000;

async function untilPluggedIn(settings: Settings, name: string): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const { inventory } = (await collect(settings)).written;
    const bridge = inventory.networks.find((network) => network.name === name)?.bridge;
    const { taps } = planLinks(inventory);
    const stray = taps.filter((tap) => tap.bridge === bridge).map(({ tap }) => tap);
    if (bridge !== undefined && stray.length === 0) return converge(settings);
    if (performance.now() > deadline) {
      const what =
        bridge === undefined ? "libvirt does not list it" : `${stray.join(", ")} stayed out`;
      throw new AdoptionError(`${name} did not come back whole: ${what}`);
    }
    await setTimeout(100);
  }
}

function printResult(result: AdoptResult): string {
  const { network, state, policy, forward, reach, differences, obstacles } = result;
  const steps = [
    ...(policy ? [`policy  ${policy.file}: ${network}: ${JSON.stringify(policy.keys)}`] : []),
    ...(forward === null ? [] : [`libvirt ${forward.replaceAll(/\s*\n\s*/g, "")}`]),
  ];
  const rows = Object.entries(reach).map(([question, answer]) => [question, answer]);
  return [
    ...steps.map((step) => `${step}\n`),
    ...(rows.length === 0 ? [] : ["who reaches whom, before and after:\n", printColumns(rows)]),
    ...differences.map((difference) => `other than before: ${difference}\n`),
    ...obstacles.map((obstacle) => `in the way: ${obstacle}\n`),
    `${verdict(state, network, differences.length)}\n`,
  ].join("");
}

function verdict(state: AdoptResult["state"], network: string, differences: number): string {
  const same = differences === 0 ? "nothing else changes for anybody" : "the rest stays";
  switch (state) {
    case "adopted":
      return `${network} is virtwall's own now; --undo gives it back`;
    case "possible":
      return `${network} can be adopted: ${same}; nothing was written yet`;
    case "refused":
      return `${network} stays as it is`;
    case "open already":
      return `${network} is an open network already: libvirt makes no rules for it`;
    case "given back":
      return `${network} is libvirt's again${differences === 0 ? ", as it was before" : ""}`;
  }
}
