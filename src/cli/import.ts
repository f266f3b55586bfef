import { planImport, type ImportPlan } from "../import/plan-import.ts";
import { readForwards } from "../import/read-forwards.ts";
import type { Found } from "../import/forward.ts";
import { uplinkNames } from "../model/uplinks.ts";
import { collect } from "./collect.ts";
import { counted } from "./columns.ts";
import { exitStatus, UsageError, type ExitStatus } from "./exit-status.ts";
import { printJson, type Output } from "./output.ts";
import { printNotCarried } from "./print-not-carried.ts";
import { readGivenFile } from "./read-given-file.ts";
import { forAnyHost, type Settings } from "./settings.ts";

/** The body of `virtwall import --json`. */
export type ImportResult = ImportPlan;

/** Prints a policy that publishes what the files forward; changes nothing. Exit status 1 where something could not be carried over. */
export async function runImport(
  settings: Settings,
  output: Output,
  files: readonly string[],
): Promise<ExitStatus> {
  const found: Found[] = [];
  for (const file of files) {
    const one = readForwards({ file, text: await readGivenFile(file) });
    if (one === undefined) {
      throw new UsageError(
        `${file} is neither a hook script, nor hooks.json, nor what iptables-save or nft list ruleset prints`,
      );
    }
    found.push(one);
  }
  const { decision, written } = await collect(forAnyHost(settings));
  const guests = decision.desired?.compiled.guests ?? [];
  const plan = planImport(found, {
    guests,
    uplinks: [...uplinkNames(written.policy.host, written.inventory.host)],
  });
  if (settings.json) printJson(output, plan satisfies ImportResult);
  else printPlan(plan, output);
  return plan.notCarried.length > 0 ? exitStatus.problems : exitStatus.ok;
}

function printPlan({ policy, notCarried }: ImportPlan, output: Output): void {
  output.out(policy);
  output.err(printNotCarried(notCarried));
  if (policy === "")
    output.err(
      "no forward to a guest found: give the scripts that it calls, or what iptables-save prints\n",
    );
  else if (notCarried.length > 0) output.err(`${counted(notCarried.length, "rule")} left\n`);
}
