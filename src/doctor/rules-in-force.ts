import type { Examination } from "./examination.ts";

const families = ["inet", "bridge"] as const;

/** Our own tables are in the kernel. */
export const rulesInForce: Examination<"tables" | "desired"> = {
  id: "rules-in-force",
  needs: ["tables", "desired"],
  examine({ tables, desired }) {
    const { networks, nics } = desired.compiled.intent;
    if (networks.length === 0 && nics.length === 0) return [];
    const missing = families.filter(
      (family) => !tables.some((table) => table.family === family && table.name === "virtwall"),
    );
    if (missing.length === 0) return [];
    return [
      {
        severity: "error",
        message:
          "virtwall's rules are not in the kernel: nothing is published, isolated or filtered",
        evidence: missing.map((family) => `there is no table ${family} virtwall`),
        fix: { text: "start the daemon, or: virtwall apply" },
      },
    ];
  },
};
