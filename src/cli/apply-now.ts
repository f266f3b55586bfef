import { resolve } from "node:path";
import type { InterfaceName } from "../base/interface-name.ts";
import { FirewalldBus } from "../edge/firewalld/firewalld-bus.ts";
import { openKernel } from "../edge/nft/open-kernel.ts";
import { askDaemon, askParts } from "../edge/socket/daemon-client.ts";
import { StateFolder } from "../edge/files/state-folder.ts";
import type { Flows } from "../ports/flows.ts";
import { KernelError } from "../ports/kernel.ts";
import { LinkError } from "../ports/links.ts";
import { StateError, type SavedState } from "../ports/state.ts";
import { cutFlows, formerOf, planCut, type CutPlan } from "../reconcile/cut-flows.ts";
import { PassRuleKeeper } from "../reconcile/pass-rules-keeper.ts";
import { judgedBridges } from "../reconcile/judged-bridges.ts";
import type { PassRuleReport } from "../reconcile/pass-rules.ts";
import { BridgeLinks } from "../edge/host/bridge-links.ts";
import { XtablesPrograms } from "../edge/xtables/xtables.ts";
import type { ReachDiff } from "../reconcile/diff-reach.ts";
import { bootScript } from "../reconcile/boot-ruleset.ts";
import { planTables } from "../reconcile/plan-tables.ts";
import type { Problem } from "../model/problem.ts";
import { printParsedTexts } from "../parse/parsed-text.ts";
import type { DaemonStatus } from "../wire/daemon-status.ts";
import { collect } from "./collect.ts";
import { printChanges } from "./columns.ts";
import { RefusedError } from "./exit-status.ts";
import type { Output } from "./output.ts";
import { printProblems, readTexts, verdictOf } from "./print-problems.ts";
import { operatorName } from "./operator.ts";
import type { Settings } from "./settings.ts";

/** The body of `virtwall apply --json`. */
export interface ApplyResult {
  /** `planned`: it was only asked what would be. */
  readonly state: "applied" | "unchanged" | "refused" | "planned";
  /** Who wrote: the daemon that runs, or this command. */
  readonly by: "daemon" | "command";
  readonly changes: readonly string[];
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
  /** What opens and closes; absent where nothing was in force before, and where nobody asked. */
  readonly reach?: ReachDiff;
}

/** Through the daemon if one runs. */
export async function applyNow(settings: Settings): Promise<Applied> {
  const texts = new Map<string, string>();
  const result = (await applyByDaemon(settings)) ?? (await applyAlone(settings, texts));
  return { result, texts: result.by === "daemon" ? await readTexts(result.problems) : texts };
}

/** What came of it, with the texts in which problems have their places. */
export interface Applied {
  readonly result: ApplyResult;
  readonly texts: ReadonlyMap<string, string>;
}

async function applyByDaemon(settings: Settings): Promise<ApplyResult | undefined> {
  const running = await askParts(settings.daemonSocket, "daemon");
  if (running !== undefined) demandSame(running.daemon, settings);
  const reply = await askDaemon(settings.daemonSocket, { request: "reload" });
  if (reply?.kind !== "reload") return undefined;
  const { state, changes, problems, error } = reply.result;
  if (state === "failed") throw new RefusedError(error ?? "the daemon could not apply it");
  return {
    state: state === "last-good" ? "refused" : changes.length > 0 ? "applied" : "unchanged",
    by: "daemon",
    changes,
    problems,
    warnings: [],
  };
}

/** A daemon takes up what it follows, which is not what was named. */
function demandSame(daemon: DaemonStatus["daemon"], settings: Settings): void {
  const { isPolicyNamed, policyFile, inventoryFolder } = settings;
  if (isPolicyNamed && daemon && daemon.policyFile !== resolve(policyFile)) {
    throw new RefusedError(
      `the daemon follows another policy (${daemon.policyFile}): name that one, or stop the daemon first`,
    );
  }
  if (inventoryFolder !== undefined && daemon?.inventoryFolder !== resolve(inventoryFolder)) {
    const theirs = daemon?.inventoryFolder ?? "libvirt itself";
    throw new RefusedError(`the daemon follows another inventory (${theirs}): stop it first`);
  }
}

async function applyAlone(settings: Settings, texts: Map<string, string>): Promise<ApplyResult> {
  const { decision, policyTexts, filterTexts, texts: read, parsedTexts } = await collect(settings);
  for (const [file, text] of read) texts.set(file, text);
  const { problems, desired } = decision;
  // Who applies by hand is there to mend it: no nic is closed under his hands.
  if (!desired || decision.lacksFilters)
    return { state: "refused", by: "command", changes: [], problems, warnings: [] };
  const { tables } = desired.compiled;
  const warnings: string[] = [];
  const kernel = await openKernel({ gate: "transient", socket: settings.gateSocket });
  const firewalld = new FirewalldBus();
  try {
    const before = await kernel.readTables();
    const plan = planTables(before, tables);
    if (plan.script !== "") await kernel.commit(plan.script);
    const cut = await endFlows(kernel.flows, planCut(formerOf(before), desired));
    warnings.push(
      "nothing follows guests, leases and other firewalls until the daemon runs: systemctl start virtwall, or virtwall daemon",
    );
    warnings.push(...cut.warnings, ...(await setHairpin(desired.compiled.hairpinTaps)));
    const keeper = new PassRuleKeeper({ kernel, xtables: new XtablesPrograms(), firewalld });
    const { mark, integration } = desired.policy.host;
    const bridges = judgedBridges(desired);
    const passRules = await keeper.keep({ mark, integration, bridges });
    warnings.push(...passRules.failures);
    const boot = bootScript(desired);
    const parsed = printParsedTexts([...parsedTexts.values()]);
    await save(settings, { policy: policyTexts, filters: filterTexts, parsed, boot }, warnings);
    const state = plan.script === "" && !passRules.isChanged ? "unchanged" : "applied";
    const put = passRules.isChanged ? passRules.report.filter(isPassed).map(passChange) : [];
    const changes = [...plan.changes, ...cut.changes, ...put];
    return { state, by: "command", changes, problems, warnings };
  } finally {
    firewalld.close();
    kernel.close();
  }
}

/** Of the ruleset that was there before only the publications are known: their flows end with them. */
async function endFlows(
  flows: Flows | undefined,
  plan: CutPlan | undefined,
): Promise<Pick<ApplyResult, "changes" | "warnings">> {
  if (!plan || !flows) return { changes: [], warnings: [] };
  try {
    return { changes: await cutFlows(flows, plan), warnings: [] };
  } catch (error) {
    if (error instanceof KernelError) return { changes: [], warnings: [error.message] };
    throw error;
  }
}

/** Answers what could not be done. */
async function setHairpin(taps: readonly InterfaceName[]): Promise<readonly string[]> {
  const links = new BridgeLinks();
  try {
    if (taps.length > 0 && (await links.bridges()).filtered.length > 0) {
      await links.setHairpin(taps);
    }
    return [];
  } catch (error) {
    if (error instanceof LinkError) return [error.message];
    throw error;
  }
}

function isPassed(line: PassRuleReport): boolean {
  return line.state === "passed";
}

function passChange(line: PassRuleReport): string {
  return `+ pass rule ${line.family} ${line.table} ${line.chain}`;
}

async function save(
  settings: Settings,
  { boot, ...state }: SavedState & { readonly boot: string },
  warnings: string[],
): Promise<void> {
  try {
    const policy = state.policy.map(({ file, text }) => ({ file: resolve(file), text }));
    const folder = new StateFolder(settings.stateFolder, operatorName());
    await folder.saveBoot(boot);
    await folder.save({ ...state, policy });
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    warnings.push(error.message);
  }
}

export function printApply(
  result: ApplyResult,
  texts: ReadonlyMap<string, string>,
  output: Output,
): void {
  output.err(printProblems(result.problems, texts));
  output.out(printChanges(result.changes));
  output.out(`${sentenceOf(result)}\n`);
  for (const warning of result.warnings) output.err(`warning: ${warning}\n`);
}

function sentenceOf(result: ApplyResult): string {
  const who = result.by === "daemon" ? " by the daemon" : "";
  switch (result.state) {
    case "applied":
      return `applied${who}`;
    case "planned":
      return "nothing was changed: this is what would be";
    case "unchanged":
      return "the kernel holds this already";
    case "refused":
      return `${verdictOf(result.problems)}: nothing was changed`;
  }
}
