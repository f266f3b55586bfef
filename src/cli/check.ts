import { collect } from "./collect.ts";
import { counted } from "./columns.ts";
import { exitStatus, type ExitStatus } from "./exit-status.ts";
import { printJson, type Output } from "./output.ts";
import { hasErrors, printProblems, verdictOf } from "./print-problems.ts";
import { forAnyHost, type Settings } from "./settings.ts";

export async function runCheck(settings: Settings, output: Output): Promise<ExitStatus> {
  const { decision, texts, written } = await collect(forAnyHost(settings));
  const { problems } = decision;
  if (settings.json) {
    printJson(output, { problems });
  } else {
    output.out(printProblems(problems, texts));
    const { guests, networks } = written.inventory;
    const seen = `${counted(networks.length, "network")}, ${counted(guests.length, "guest")}`;
    output.out(`${verdictOf(problems)} (${seen})\n`);
  }
  return hasErrors(problems) ? exitStatus.problems : exitStatus.ok;
}
