import { join } from "node:path";
import { openSources } from "../../src/edge/libvirt/open-sources.ts";
import { defined } from "../../src/base/defined.ts";
import type { BridgeFacts } from "../../src/model/inventory.ts";
import type { Problem } from "../../src/model/problem.ts";
import { formatProblem } from "../../src/model/problem-text.ts";
import type { Table } from "../../src/nft/ast.ts";
import { parseInventory } from "../../src/parse/inventory.ts";
import { parsePolicy } from "../../src/parse/policy.ts";
import { decide, type Desired } from "../../src/reconcile/decide.ts";

/** What the product makes of a case folder. */
export interface CompiledCase {
  /** Empty where the policy has errors. */
  readonly tables: readonly Table[];
  /** Absent where the policy has errors. */
  readonly desired?: Desired;
  /** Ports that are to send frames back where they came from. */
  readonly hairpinTaps: readonly string[];
  readonly problems: readonly Problem[];
  /** The problems as a person reads them; files are named from the case folder. */
  readonly problemText: string;
}

/** Reads policy and inventory of a case; `policyText` stands for its policy where a test changes it. No case says what bridges can. */
export async function compileCase(
  folder: string,
  policyText?: string,
  bridges?: BridgeFacts,
): Promise<CompiledCase> {
  const sources = openSources({
    policyFile: join(folder, "policy.yaml"),
    connectUri: "",
    inventoryFolder: join(folder, "inventory"),
  });
  const [written, described, filters, interfaces] = await Promise.all([
    sources.policy.read(),
    sources.libvirt.read(),
    sources.filters.read(),
    sources.host.read(),
  ]);
  sources.close();
  const texts = { ...described, ...filters };
  const files = policyText === undefined ? written : [{ file: "policy.yaml", text: policyText }];
  const { policy, problems: policyProblems } = parsePolicy(files);
  const { inventory: found, problems: inventoryProblems } = parseInventory(texts, interfaces);
  const inventory = { ...found, host: defined({ ...found.host, bridges }) };
  const inventoryTexts = [
    texts.networks,
    texts.guests,
    texts.leases,
    texts.filters,
    texts.ownFilters,
  ].flat();
  const inventoryFiles = new Set(inventoryTexts.map(({ file }) => file));
  const { desired, problems } = decide(
    { policy, policyProblems, inventory, inventoryProblems, inventoryFiles },
    undefined,
  );
  const textOf = new Map([...files, ...inventoryTexts].map(({ file, text }) => [file, text]));
  return {
    tables: desired?.compiled.tables ?? [],
    ...(desired && { desired }),
    hairpinTaps: desired?.compiled.hairpinTaps ?? [],
    problems,
    problemText: problems
      .map((problem) => `${formatProblem(problem, textOf.get(problem.at.file))}\n`)
      .join("")
      .replaceAll(`${folder}/`, ""),
  };
}

/** A case without errors; throws with its problems otherwise. */
export async function soundCase(folder: string, policyText?: string): Promise<CompiledCase> {
  const compiled = await compileCase(folder, policyText);
  const isWrong = compiled.problems.some(({ severity }) => severity === "error");
  if (isWrong) throw new Error(compiled.problemText);
  return compiled;
}

export async function tablesOfCase(folder: string, policyText?: string): Promise<readonly Table[]> {
  return (await soundCase(folder, policyText)).tables;
}
