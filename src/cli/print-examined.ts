import { groupBy } from "../base/group.ts";
import type { Finding } from "../doctor/examination.ts";
import type { Examined, NamedFinding } from "../doctor/examine.ts";
import type { Mended } from "../doctor/mend.ts";
import { counted, printLines } from "./columns.ts";

/** For people: findings by severity, each with what was seen and its one fix. */
export function printExamined(
  { findings, skipped, sound }: Examined,
  mended: readonly Mended[],
): string {
  const of = (severity: Finding["severity"]) =>
    findings.filter((finding) => finding.severity === severity);
  const [errors, warnings] = [of("error"), of("warning")];
  const lines = [
    ...mended.map((step) =>
      "done" in step ? `mended: ${step.id}: ${step.done}` : `refused: ${step.id}: ${step.refused}`,
    ),
    ...errors.flatMap(findingLines),
    ...warnings.flatMap(findingLines),
    ...skippedLines(skipped),
    [
      counted(errors.length, "error"),
      counted(warnings.length, "warning"),
      `${sound.length} without a finding`,
      `${skipped.length} skipped`,
    ].join(", "),
  ];
  return printLines(lines);
}

/** A line a reason: where libvirt does not run, a score of examinations say the same. */
function skippedLines(skipped: Examined["skipped"]): readonly string[] {
  return [...groupBy(skipped, ({ reason }) => reason).groups].map(
    ([reason, same]) => `skipped: ${same.map(({ id }) => id).join(", ")}: ${reason}`,
  );
}

function findingLines({ id, severity, message, evidence, fix }: NamedFinding): readonly string[] {
  const isMended = fix.steps === undefined ? "" : "  (--fix does it)";
  return [
    `${severity}: ${id}: ${message}`,
    ...evidence.map((line) => `  seen: ${line}`),
    `  fix:  ${fix.text}${isMended}`,
  ];
}
