import type { Examination } from "./examination.ts";

/** Whether somebody else's `flush ruleset` takes our tables along, and guests with them until the daemon has put them back. */
export const tableOwner: Examination<"ownership"> = {
  id: "table-owner",
  needs: ["ownership"],
  examine({ ownership }) {
    if (ownership === undefined) return { reason: "virtwall's daemon does not run" };
    if (ownership.mode === "owner") return [];
    return [
      {
        severity: "warning",
        message: "any program can flush virtwall's tables: they are put back a moment later",
        evidence: [ownership.reason],
        fix: { text: "use Linux 6.9 or newer, and install libnftables; then restart the daemon" },
      },
    ];
  },
};
