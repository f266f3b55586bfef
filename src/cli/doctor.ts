import { nearest } from "../base/nearest.ts";
import type { Examination } from "../doctor/examination.ts";
import { examinations } from "../doctor/examinations.ts";
import type { Examined } from "../doctor/examine.ts";
import { mend } from "../doctor/mend.ts";
import { ThisHostMender } from "../edge/host/host-mender.ts";
import { examineHost, reasonOf } from "./examine-host.ts";
import { exitStatus, UsageError, type ExitStatus } from "./exit-status.ts";
import { hookPathsOf } from "./hook.ts";
import { printJson, type Output } from "./output.ts";
import { printExamined } from "./print-examined.ts";
import { demandRoot, type Settings } from "./settings.ts";
import { toTheEnd } from "./stoppable.ts";

export interface DoctorOptions {
  /** Empty: all. */
  readonly ids: readonly string[];
  readonly isFix: boolean;
}

/** Exit status 0 only where everything that was asked was looked at, or does not apply here, and nothing was found. */
export async function runDoctor(
  settings: Settings,
  output: Output,
  { ids, isFix }: DoctorOptions,
): Promise<ExitStatus> {
  const chosen = choose(ids);
  demandRoot("doctor");
  const before = await examineHost(chosen, settings, output);
  const fix = () => mend(before.findings, new ThisHostMender(hookPathsOf(settings)), reasonOf);
  const mended = isFix ? await toTheEnd(output, fix) : [];
  const after = mended.length === 0 ? before : await examineHost(chosen, settings, output);
  if (settings.json) printJson(output, { ...describeExamined(after), mended });
  else output.out(printExamined(after, mended));
  return statusOf(after);
}

/** Whoever could not look at something has not found it sound. */
export function statusOf({ findings, skipped }: Examined): ExitStatus {
  if (findings.length > 0) return exitStatus.problems;
  return skipped.some(({ isRefused }) => isRefused) ? exitStatus.refused : exitStatus.ok;
}

function choose(ids: readonly string[]): readonly Examination[] {
  const known = examinations.map(({ id }) => id);
  const unknown = ids.find((id) => !known.includes(id));
  if (unknown !== undefined) {
    const meant = nearest(unknown, known);
    const hint = meant === undefined ? `there are ${known.join(", ")}` : `did you mean ${meant}?`;
    throw new UsageError(`doctor knows no ${unknown}; ${hint}`);
  }
  return ids.length === 0 ? examinations : examinations.filter(({ id }) => ids.includes(id));
}

export function describeExamined({ findings, skipped, sound }: Examined) {
  return {
    findings: findings.map(({ fix, ...finding }) => ({
      ...finding,
      fix: { text: fix.text, isSafe: fix.steps !== undefined },
    })),
    skipped,
    sound,
  };
}
