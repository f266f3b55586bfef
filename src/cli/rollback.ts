import { putBack } from "../edge/files/put-back.ts";
import { Unconfirmed } from "../edge/files/unconfirmed.ts";
import { keyOf, type HeldTexts } from "../edge/files/policy-history.ts";
import type { Problem } from "../model/problem.ts";
import { applyNow, printApply, type ApplyResult } from "./apply-now.ts";
import { imagine } from "./collect.ts";
import { printChanges, printColumns } from "./columns.ts";
import { authorship, printReach, reachInForce, reachOfHistory } from "./diff-reach.ts";
import { ComplaintError, exitStatus, RefusedError, type ExitStatus } from "./exit-status.ts";
import { historyOf, loadHistory, readOperatorTexts } from "./operator-texts.ts";
import { operatorCuts, operatorName } from "./operator.ts";
import { printJson, type Output } from "./output.ts";
import { hasErrors, printProblems, verdictOf } from "./print-problems.ts";
import { demandRoot, type Settings } from "./settings.ts";
import { toTheEnd } from "./stoppable.ts";

/** The body of `virtwall rollback --json`. */
export interface RollbackResult extends ApplyResult {
  /** The number of what is in force again. */
  readonly number: number;
  /** Files in which the texts are kept that stood there before. */
  readonly kept: readonly string[];
}

export async function runRollbackList(settings: Settings, output: Output): Promise<ExitStatus> {
  demandRoot("rollback");
  const held = await loadHistory(settings);
  const present = keyOf(await readOperatorTexts(settings));
  const reach = await reachOfHistory(settings, held);
  const rows = held.map(({ number, at, by, ...texts }, index) => ({
    number,
    at,
    by,
    isWritten: keyOf(texts) === present,
    reach: reach[index] ?? null,
  }));
  if (settings.json) printJson(output, { held: rows });
  else if (rows.length === 0) output.out("nothing was in force yet\n");
  else {
    const lines = rows.map(({ number, at, by, isWritten }) => [
      String(number),
      at,
      by,
      isWritten ? "(what the files say)" : "",
    ]);
    const heads = printColumns(lines, "").split("\n");
    for (const [index, { reach: changes }] of rows.entries()) {
      output.out(`${heads[index] ?? ""}\n`);
      output.out(printChanges((changes ?? []).map((change) => `    ${change}`)));
    }
  }
  return exitStatus.ok;
}

/** Makes the files say again what was in force, the one before the present or that of the number, and applies them. */
export async function runRollback(
  settings: Settings,
  output: Output,
  wanted: string | undefined,
): Promise<ExitStatus> {
  demandRoot("rollback");
  const present = await readOperatorTexts(settings);
  const unconfirmed = new Unconfirmed(settings.stateFolder);
  if (unconfirmed.isThere()) {
    throw new RefusedError("a change waits for its confirmation: virtwall confirm, then rollback");
  }
  const target = choose(await loadHistory(settings), keyOf(present), wanted);
  const collected = await imagine(settings, { texts: target });
  const { decision, texts } = collected;
  const cuts = operatorCuts(collected);
  if (cuts.length > 0) {
    output.err(printProblems(cuts, texts));
    throw new RefusedError("you would not get in again: nothing was changed");
  }
  if (decision.inForce !== "current") {
    output.err(printProblems(decision.problems, texts));
    throw new RefusedError(
      `what was in force on ${target.at} has ${verdictOf(decision.problems)} by now: nothing was changed`,
    );
  }
  const reach = await reachInForce(settings, collected);
  if (reach && !settings.json) output.out(printReach(reach));
  const author = authorship(`${operatorName()}: rollback to ${target.number}`, reach);
  const { kept, applied } = await toTheEnd(output, async () => {
    await historyOf(settings).announce(target, author);
    const kept = await putBack(target, present);
    const applied = await applyNow(settings);
    if (applied.result.state === "refused") await putBack(present, target);
    return { kept, applied };
  });
  const { number } = target;
  const result: RollbackResult = { ...applied.result, ...(reach && { reach }), number, kept };
  if (settings.json) printJson(output, result);
  else {
    printApply(result, applied.texts, output);
    if (!isRefused(result))
      output.out(`number ${target.number} of ${target.at} is written again\n`);
    for (const file of kept) output.out(`what stood there before is in ${file}\n`);
  }
  return isRefused(result) ? exitStatus.problems : exitStatus.ok;
}

function isRefused({
  state,
  problems,
}: {
  readonly state: ApplyResult["state"];
  readonly problems: readonly Problem[];
}): boolean {
  return state === "refused" || hasErrors(problems);
}

function choose(
  held: readonly HeldTexts[],
  present: string,
  wanted: string | undefined,
): HeldTexts {
  if (wanted === undefined) {
    const before = held.find((texts) => keyOf(texts) !== present);
    if (before) return before;
    throw new ComplaintError("nothing else was in force before: virtwall rollback --list");
  }
  const found = held.find(({ number }) => String(number) === wanted);
  if (found) return found;
  throw new ComplaintError(`there is no number ${wanted} in virtwall rollback --list`);
}
