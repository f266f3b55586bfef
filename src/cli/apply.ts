import { resolve } from "node:path";
import { keyOf, type OperatorTexts } from "../edge/files/policy-history.ts";
import { putBack } from "../edge/files/put-back.ts";
import { openKernel } from "../edge/nft/open-kernel.ts";
import type { Problem } from "../model/problem.ts";
import type { SourceText } from "../model/source-text.ts";
import { planTables } from "../reconcile/plan-tables.ts";
import type { ReachDiff } from "../reconcile/diff-reach.ts";
import { applyNow, printApply, type Applied } from "./apply-now.ts";
import { replaceText } from "../model/source-text.ts";
import { imagine, type Collected } from "./collect.ts";
import { beginUnconfirmed, type WaitedFor } from "./confirm.ts";
import { authorship, printReach, reachInForce } from "./diff-reach.ts";
import { exitStatus, RefusedError, type ExitStatus } from "./exit-status.ts";
import { historyOf, loadHistory, readOperatorTexts, readTextsInForce } from "./operator-texts.ts";
import { operatorCuts, operatorName } from "./operator.ts";
import { printJson, type Output } from "./output.ts";
import { hasErrors } from "./print-problems.ts";
import { readGivenFile } from "./read-given-file.ts";
import { demandRoot, type Settings } from "./settings.ts";
import { toTheEnd } from "./stoppable.ts";

export interface ApplyOptions {
  /** A file whose text is to become the policy. */
  readonly file?: string;
  /** What is to become the policy, where it stands in no file. */
  readonly text?: string;
  /** Taken back after so many seconds unless it is confirmed. */
  readonly confirmSeconds?: number;
  /** Only says what would be. */
  readonly isDryRun?: boolean;
}

export async function runApply(
  settings: Settings,
  output: Output,
  options: ApplyOptions,
): Promise<ExitStatus> {
  demandRoot("apply");
  const { result, texts } = await applyGuarded(settings, options, output);
  const isRefused = result.state === "refused" || hasErrors(result.problems);
  const { confirmSeconds } = options;
  if (settings.json) printJson(output, result);
  else printApply(result, texts, output);
  if (!settings.json && !isRefused && confirmSeconds !== undefined) {
    output.out(`taken back in ${confirmSeconds} s, unless you say: virtwall confirm\n`);
  }
  return isRefused ? exitStatus.problems : exitStatus.ok;
}

/**
 * Applies what is written, or a file that is to be the policy. What would keep the operator out is refused, or taken back unless it
 * is confirmed. A file with errors is written nowhere, and what could not be applied is taken back at once.
 */
async function applyGuarded(
  settings: Settings,
  options: ApplyOptions,
  output: Output,
): Promise<Applied> {
  const { file, confirmSeconds } = options;
  const present = await readOperatorTexts(settings);
  const candidate = await readCandidate(options, settings);
  const { refused, collected } = await examine(settings, {
    candidate,
    file,
    isGuarded: confirmSeconds === undefined,
  });
  if (refused) return refused;
  const reach = await reachInForce(settings, collected);
  if (reach && !settings.json) output.out(printReach(reach));
  if (options.isDryRun === true) return planOnly(settings, collected, reach);
  const wanted = candidate
    ? { ...present, policy: replaceText(present.policy, candidate) }
    : present;
  const texts = { wanted: textOf(wanted, candidate), former: textOf(present, candidate) };
  const { result, ...rest } = await toTheEnd(output, async () => {
    const waiting =
      confirmSeconds === undefined
        ? undefined
        : await beginWaiting(settings, wanted, confirmSeconds);
    await historyOf(settings).announce(wanted, authorship(operatorName(), reach));
    return writeAndApply(settings, output, { ...texts, waiting });
  });
  return { ...rest, result: { ...result, ...(reach && { reach }) } };
}

async function beginWaiting(
  settings: Settings,
  wanted: OperatorTexts,
  seconds: number,
): Promise<WaitedFor> {
  const before = await textsBefore(settings, wanted);
  return beginUnconfirmed(settings, { seconds, ...(before && { before }) });
}

interface Writing {
  readonly wanted: OperatorTexts;
  readonly former: OperatorTexts;
  /** Where somebody waits to take it back. */
  readonly waiting: WaitedFor | undefined;
}

async function writeAndApply(
  settings: Settings,
  output: Output,
  { wanted, former, waiting }: Writing,
): Promise<Applied> {
  await putBack(wanted, former);
  const applied = await applyNow(settings).catch(async (error: unknown) => {
    // Some of it may be in force: who waits takes it back, as long as anybody does.
    if (waiting === undefined) await putBack(former, wanted);
    await waiting?.takeBackLate(output);
    throw error;
  });
  if (applied.result.state === "refused") {
    await waiting?.callOff();
    await putBack(former, wanted);
  } else if (await waiting?.takeBackLate(output)) {
    throw new RefusedError("the time was over before it was in force: it is taken back");
  }
  return applied;
}

/** The one file that is replaced: others may be written meanwhile. */
function textOf({ policy }: OperatorTexts, candidate: SourceText | undefined): OperatorTexts {
  return { policy: policy.filter(({ file }) => file === candidate?.file), ownFilters: [] };
}

async function readCandidate(
  { file, text }: ApplyOptions,
  { policyFile }: Settings,
): Promise<SourceText | undefined> {
  if (text !== undefined) return { file: resolve(policyFile), text };
  if (file === undefined) return undefined;
  return { file: resolve(policyFile), text: await readGivenFile(file) };
}

interface Examined {
  readonly collected: Collected;
  /** Absent where nothing speaks against it. */
  readonly refused?: Applied;
}

async function examine(
  settings: Settings,
  wanted: { candidate: SourceText | undefined; file: string | undefined; isGuarded: boolean },
): Promise<Examined> {
  const { candidate, file, isGuarded } = wanted;
  const absolute = { ...settings, policyFile: resolve(settings.policyFile) };
  const collected = await imagine(
    candidate ? absolute : settings,
    candidate ? { policy: candidate } : {},
  );
  const { decision } = collected;
  const cuts = isGuarded ? operatorCuts(collected) : [];
  const problems = [...decision.problems, ...cuts];
  if (cuts.length === 0 && (candidate === undefined || decision.inForce === "current")) {
    return { collected };
  }
  const stored = candidate?.file;
  const result = {
    state: "refused",
    by: "command",
    changes: [],
    problems: problems.map((problem) => inFile(problem, stored, file)),
    warnings: [],
  } as const;
  const texts = new Map(collected.texts);
  if (candidate && file !== undefined) texts.set(file, candidate.text);
  return { collected, refused: { result, texts } };
}

/** What would be written into the kernel; pass rules of other firewalls are not looked at. */
async function planOnly(
  settings: Settings,
  { decision: { problems, desired }, texts }: Collected,
  reach: ReachDiff | undefined,
): Promise<Applied> {
  const rest = { by: "command", problems, warnings: [], ...(reach && { reach }) } as const;
  if (!desired) return { result: { ...rest, state: "refused", changes: [] }, texts };
  const kernel = await openKernel({ gate: "none", socket: settings.gateSocket });
  try {
    const { changes } = planTables(await kernel.readTables(), desired.compiled.tables);
    const state = changes.length === 0 ? "unchanged" : "planned";
    return { result: { ...rest, state, changes }, texts };
  } finally {
    kernel.close();
  }
}

function inFile(problem: Problem, stored: string | undefined, file: string | undefined): Problem {
  if (file === undefined || problem.at.file !== stored) return problem;
  return { ...problem, at: { ...problem.at, file } };
}

/** What was in force before these texts, which may be in force already: a daemon takes up what is written at once. */
async function textsBefore(
  settings: Settings,
  wanted: OperatorTexts,
): Promise<OperatorTexts | undefined> {
  const inForce = await readTextsInForce(settings);
  if (inForce === undefined || keyOf(inForce) !== keyOf(wanted)) return inForce;
  const held = await loadHistory(settings);
  const before = held.find((texts) => keyOf(texts) !== keyOf(wanted));
  if (before) return before;
  throw new RefusedError("nothing else was in force before, so there is nothing to go back to");
}
