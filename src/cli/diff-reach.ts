import { statSync } from "node:fs";
import { join } from "node:path";
import { escapeControls } from "../base/quote.ts";
import type { Authorship, HeldTexts, OperatorTexts } from "../edge/files/policy-history.ts";
import { StateError } from "../ports/state.ts";
import { formatFilterChange } from "../reconcile/diff-filters.ts";
import { diffReach, type ReachDiff } from "../reconcile/diff-reach.ts";
import { formatReachChange } from "../reconcile/reach-change.ts";
import { collect, decideAnew, imagine, type Collected } from "./collect.ts";
import { ComplaintError, exitStatus, RefusedError, type ExitStatus } from "./exit-status.ts";
import { readOperatorTexts, readTextsInForce } from "./operator-texts.ts";
import { printJson, type Output } from "./output.ts";
import { printProblems, verdictOf } from "./print-problems.ts";
import type { Settings } from "./settings.ts";

/** Of two policies, or of what is in force and one, or and the policy file. Exit status 4 where flows open or close. */
export async function runDiffReach(
  settings: Settings,
  output: Output,
  [first, second]: readonly string[],
): Promise<ExitStatus> {
  const old =
    second === undefined ? await demandInForce(settings) : await readNamed(settings, first);
  const wanted = await readNamed(settings, second ?? first);
  const collected = await imagine(settings, { texts: wanted });
  const former = decideAnew(collected, old);
  for (const { desired, problems } of [former, collected.decision]) {
    if (desired !== undefined) continue;
    const texts = [...old.policy, ...wanted.policy].map(({ file, text }) => [file, text] as const);
    if (settings.json) printJson(output, { problems, flows: null, filters: null });
    else
      output.err(
        `${printProblems(problems, new Map(texts))}${verdictOf(problems)}: nothing to compare\n`,
      );
    return exitStatus.problems;
  }
  const diff = compare(former, collected.decision);
  if (settings.json) printJson(output, { problems: [], ...diff });
  else output.out(printReach(diff) || "nothing opens or closes\n");
  return isEmpty(diff) ? exitStatus.ok : exitStatus.drift;
}

/** What texts that are to be in force open and close; undefined where nothing was in force before that one could compare them with. */
export async function reachInForce(
  settings: Settings,
  wanted: Collected,
): Promise<ReachDiff | undefined> {
  const old = await readTextsInForce(settings).catch((error: unknown) => {
    // Whoever applies does so whether or not it can be said what that changes.
    if (error instanceof StateError) return undefined;
    throw error;
  });
  return old && reachFrom(old, wanted);
}

/** The same from given texts on; undefined where one of both has errors. */
export function reachFrom(old: OperatorTexts, wanted: Collected): ReachDiff | undefined {
  const former = decideAnew(wanted, old);
  return former.desired && wanted.decision.desired ? compare(former, wanted.decision) : undefined;
}

/** A line for each change. */
export function printReach(diff: ReachDiff): string {
  return reachLines(diff)
    .map((line) => `${line}\n`)
    .join("");
}

/** For the history. */
export function authorship(by: string, reach: ReachDiff | undefined): Authorship {
  return { by, ...(reach && { reach: reachLines(reach) }) };
}

/**
 * What each of the texts opened and closed, newest first as they are: as it was told when they came into force, or else by the guests
 * of now. Null where nothing was before, or one of both says nothing any more.
 */
export async function reachOfHistory(
  settings: Settings,
  held: readonly HeldTexts[],
): Promise<readonly (readonly string[] | null)[]> {
  const untold = held.slice(0, -1).map(({ reach }) => reach === undefined);
  const host = untold.includes(true) ? await collect(settings) : undefined;
  const decided = held.map((texts, at) =>
    host && (untold[at] === true || untold[at - 1] === true) ? decideAnew(host, texts) : undefined,
  );
  return held.map(({ reach }, at) => {
    if (reach !== undefined) return reach;
    const [after, before] = [decided[at], decided[at + 1]];
    return before?.desired && after?.desired ? reachLines(compare(before, after)) : null;
  });
}

function reachLines({ flows, filters }: ReachDiff): string[] {
  const lines = [...flows.map(formatReachChange), ...filters.map(formatFilterChange)];
  return lines.map(escapeControls);
}

type Decided = Collected["decision"];

function compare({ desired: before }: Decided, { desired: after }: Decided): ReachDiff {
  return before && after ? diffReach(before, after) : { flows: [], filters: [] };
}

function isEmpty({ flows, filters }: ReachDiff): boolean {
  return flows.length === 0 && filters.length === 0;
}

async function demandInForce(settings: Settings): Promise<OperatorTexts> {
  const texts = await readTextsInForce(settings);
  if (texts !== undefined) return texts;
  throw new RefusedError(
    `nothing was in force yet, says ${settings.stateFolder}: name two policies`,
  );
}

/** A file, or a folder with a `policy.yaml`; without a name that of `--policy`. */
async function readNamed(settings: Settings, name: string | undefined): Promise<OperatorTexts> {
  if (name === undefined) return readOperatorTexts(settings);
  const isFolder = statSync(name, { throwIfNoEntry: false })?.isDirectory() === true;
  const policyFile = isFolder ? join(name, "policy.yaml") : name;
  const texts = await readOperatorTexts({ ...settings, policyFile });
  if (texts.policy.length === 0) throw new ComplaintError(`there is no policy file ${policyFile}`);
  return texts;
}
