import { firewallVmPoints } from "../doctor/firewall-vm.ts";
import { collect } from "./collect.ts";
import { describeExamined, statusOf } from "./doctor.ts";
import { examineHost } from "./examine-host.ts";
import { exitStatus, UsageError, type ExitStatus } from "./exit-status.ts";
import { printJson, type Output } from "./output.ts";
import { printExamined } from "./print-examined.ts";
import { printProblems, verdictOf } from "./print-problems.ts";
import { demandRoot, type Settings } from "./settings.ts";

/** Exit status 0 only where each point of the topology was looked at and holds on this host. */
export async function runTopologyCheck(settings: Settings, output: Output): Promise<ExitStatus> {
  demandRoot("topology check");
  const { decision, texts } = await collect(settings);
  const { problems, desired } = decision;
  if (desired === undefined) {
    if (settings.json) printJson(output, { problems, findings: null });
    else output.err(`${printProblems(problems, texts)}${verdictOf(problems)}\n`);
    return exitStatus.problems;
  }
  if (desired.compiled.intent.firewall === undefined) {
    throw new UsageError("the policy says topology: host; there is nothing to check of it");
  }
  const examined = await examineHost(firewallVmPoints, settings, output);
  if (settings.json) printJson(output, { problems, ...describeExamined(examined) });
  else {
    output.out(examined.sound.map((id) => `holds: ${id}\n`).join(""));
    output.out(printExamined(examined, []));
  }
  return statusOf(examined);
}
