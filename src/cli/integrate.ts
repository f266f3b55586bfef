import { existsSync } from "node:fs";
import { LocalRulesetFiles } from "../edge/files/integrate-file.ts";
import { PolicyFiles } from "../edge/files/policy-files.ts";
import { parsePolicy } from "../parse/policy.ts";
import { integrateFile, type IntegrationResult } from "../reconcile/integrate.ts";
import { printColumns } from "./columns.ts";
import { ComplaintError, exitStatus, type ExitStatus } from "./exit-status.ts";
import { printJson, type Output } from "./output.ts";
import { hasErrors, printProblems } from "./print-problems.ts";
import { demandRoot, type Settings } from "./settings.ts";
import { toTheEnd } from "./stoppable.ts";

/** Debian's: what `systemctl restart nftables` loads. */
const defaultFile = "/etc/nftables.conf";

export interface IntegrateOptions {
  readonly file?: string;
  readonly isDryRun: boolean;
  readonly isUndo: boolean;
}

export async function runIntegrate(
  settings: Settings,
  output: Output,
  options: IntegrateOptions,
): Promise<ExitStatus> {
  // nft asks the kernel even for a check.
  demandRoot("integrate");
  const texts = await new PolicyFiles(settings.policyFile).read();
  const { policy, problems } = parsePolicy(texts);
  // Who takes our lines out again knows them without their mark.
  if (hasErrors(problems) && !options.isUndo) {
    if (settings.json) printJson(output, { problems });
    else output.err(printProblems(problems, new Map(texts.map(({ file, text }) => [file, text]))));
    output.err("the mark cannot be known while the policy has errors: nothing was written\n");
    return exitStatus.problems;
  }
  const file = options.file ?? defaultFile;
  if (!existsSync(file)) throw new ComplaintError(`there is no file ${file}`);
  const mode = options.isUndo ? "undo" : options.isDryRun ? "dry-run" : "write";
  const integrate = () =>
    integrateFile({ file, mark: policy.host.mark, mode }, new LocalRulesetFiles());
  const result = await (mode === "dry-run" ? integrate() : toTheEnd(output, integrate));
  if (settings.json) printJson(output, { file, ...result });
  else output.out(printIntegration(file, mode, result));
  return exitStatus.ok;
}

function printIntegration(file: string, mode: string, result: IntegrationResult): string {
  const chains = result.chains.map(({ family, table, chain, state }) => [
    `${family} ${table} ${chain}`,
    state,
  ]);
  const lines = [
    ...result.messages,
    ...(result.backup === undefined ? [] : [`the file as it was: ${result.backup}`]),
    ...(result.changed ? [verdictOf(file, mode)] : []),
  ];
  const parts = [result.diff, printColumns(chains, ""), lines.map((line) => `${line}\n`).join("")];
  return parts.filter((part) => part !== "").join("\n");
}

function verdictOf(file: string, mode: string): string {
  switch (mode) {
    case "dry-run":
      return "nothing was written: leave out --dry-run to write it";
    case "undo":
      return `${file} is written; the kernel has our lines until it is loaded again`;
    default:
      return `${file} is written; from its next load on, guests lose no packet to it`;
  }
}
