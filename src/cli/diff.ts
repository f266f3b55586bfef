import { openKernel } from "../edge/nft/open-kernel.ts";
import { planTables } from "../reconcile/plan-tables.ts";
import { collect } from "./collect.ts";
import { exitStatus, type ExitStatus } from "./exit-status.ts";
import { printJson, type Output } from "./output.ts";
import { printProblems, verdictOf } from "./print-problems.ts";
import { demandRoot, type Settings } from "./settings.ts";

export async function runDiff(settings: Settings, output: Output): Promise<ExitStatus> {
  demandRoot("diff");
  const { decision, texts } = await collect(settings);
  const { problems, desired } = decision;
  if (!desired) {
    if (settings.json) printJson(output, { problems, changes: null, script: null });
    else
      output.err(`${printProblems(problems, texts)}${verdictOf(problems)}: nothing to compare\n`);
    return exitStatus.problems;
  }
  const kernel = await openKernel({ gate: "none", socket: settings.gateSocket });
  const plan = planTables(await kernel.readTables(), desired.compiled.tables);
  kernel.close();
  if (settings.json) {
    printJson(output, { problems, ...plan });
  } else {
    output.err(printProblems(problems, texts));
    output.out(plan.changes.map((change) => `${change}\n`).join(""));
    if (plan.script === "") output.out("the kernel holds what is desired\n");
  }
  return plan.script === "" ? exitStatus.ok : exitStatus.drift;
}
