import type { Examination } from "./examination.ts";

/** Clocks of file systems and of machines differ by a little. */
const toleranceMs = 60_000;

/**
 * Files that were written after now. When leases end, and whether libvirt has seen a hook, is told from such times: with a clock that was
 * set back both are wrong.
 */
export const clock: Examination<"clock"> = {
  id: "clock",
  needs: ["clock"],
  examine({ clock: { now, files } }) {
    const late = files.filter(({ changedAt }) => changedAt > now + toleranceMs);
    if (late.length === 0) return [];
    return [
      {
        severity: "warning",
        message: "the clock of this host is behind the times of its own files",
        evidence: late.map(
          ({ file, changedAt }) => `${file}: changed ${inMinutes(changedAt - now)} from now`,
        ),
        fix: { text: "timedatectl set-ntp true; if the clock is right: touch these files" },
      },
    ];
  },
};

function inMinutes(ms: number): string {
  return `${Math.ceil(ms / 60_000)} min`;
}
