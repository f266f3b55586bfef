import { printRuleset } from "../nft/print.ts";
import { collect } from "./collect.ts";
import { exitStatus, UsageError, type ExitStatus } from "./exit-status.ts";
import { printJson, type Output } from "./output.ts";
import { hasErrors, printProblems, verdictOf } from "./print-problems.ts";
import { forAnyHost, type Settings } from "./settings.ts";

/** Prints the ruleset to be applied. An error in the policy leaves nothing to print; one in a guest leaves out that guest. */
export async function runCompile(
  settings: Settings,
  output: Output,
  backend: string,
): Promise<ExitStatus> {
  if (backend === "iptables") throw new UsageError("the iptables backend does not exist yet");
  const { decision, texts } = await collect(forAnyHost(settings));
  const { problems, desired } = decision;
  const ruleset = desired && printRuleset(desired.compiled.tables);
  if (settings.json) {
    printJson(output, { problems, ruleset: ruleset ?? null });
  } else {
    output.err(printProblems(problems, texts));
    if (ruleset === undefined) output.err(`${verdictOf(problems)}: nothing to compile\n`);
    else output.out(ruleset);
  }
  return hasErrors(problems) ? exitStatus.problems : exitStatus.ok;
}
