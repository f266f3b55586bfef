import { isSkipped, type Examination, type Finding, type Skipped } from "./examination.ts";
import type { FactName, Facts, LookedFacts } from "./facts.ts";

export interface Examined {
  readonly findings: readonly NamedFinding[];
  readonly skipped: readonly SkippedExamination[];
  /** Examinations that looked and found nothing. */
  readonly sound: readonly string[];
}

export interface SkippedExamination extends Skipped {
  readonly id: string;
  /** Somebody refused to tell: there may be something to find. Otherwise there is nothing to look at. */
  readonly isRefused: boolean;
}

export interface NamedFinding extends Finding {
  readonly id: string;
}

/** Errors first, otherwise in the order of the examinations. */
export function examine(examinations: readonly Examination[], looked: LookedFacts): Examined {
  const findings: NamedFinding[] = [];
  const skipped: SkippedExamination[] = [];
  const sound: string[] = [];
  for (const examination of examinations) {
    const { id } = examination;
    const refusal = refusalOf(examination, looked);
    if (refusal !== undefined) {
      skipped.push({ id, reason: refusal, isRefused: true });
      continue;
    }
    const result = examination.examine(seen(examination, looked));
    if (isSkipped(result)) skipped.push({ id, reason: result.reason, isRefused: false });
    else if (result.length === 0) sound.push(id);
    else for (const finding of result) findings.push({ id, ...finding });
  }
  const ofSeverity = (severity: Finding["severity"]) =>
    findings.filter((finding) => finding.severity === severity);
  return { findings: [...ofSeverity("error"), ...ofSeverity("warning")], skipped, sound };
}

function refusalOf({ needs }: Examination, looked: LookedFacts): string | undefined {
  const looks = needs.map((name) => looked[name]);
  return looks.map((look) => (look && "reason" in look ? look.reason : undefined)).find(Boolean);
}

function seen({ id, needs }: Examination, looked: LookedFacts): Facts {
  const facts = needs.map((name): [FactName, unknown] => {
    const look = looked[name];
    if (look === undefined || !("seen" in look)) throw new Error(`${id}: nobody saw ${name}`);
    return [name, look.seen];
  });
  return Object.fromEntries(facts) as unknown as Facts;
}
