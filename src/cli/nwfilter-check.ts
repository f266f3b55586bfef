import type { Problem } from "../model/problem.ts";
import { collect } from "./collect.ts";
import { counted } from "./columns.ts";
import { exitStatus, type ExitStatus } from "./exit-status.ts";
import { judge } from "./nwfilter-define.ts";
import { printJson, type Output } from "./output.ts";
import { hasErrors, printProblems, verdictOf } from "./print-problems.ts";
import { readFilters } from "./read-filters.ts";
import { readGivenFile } from "./read-given-file.ts";
import { forAnyHost, type Settings } from "./settings.ts";

/** Files as if they were defined, each alone; without a file all filters, as they stand. */
export async function runFilterCheck(
  settings: Settings,
  output: Output,
  { files, isCompat }: { readonly files: readonly string[]; readonly isCompat: boolean },
): Promise<ExitStatus> {
  const anywhere = forAnyHost(settings);
  const found =
    files.length === 0 ? await checkAll(anywhere) : await checkFiles(anywhere, files, isCompat);
  const { problems, texts, count } = found;
  if (settings.json) printJson(output, { problems });
  else {
    output.out(printProblems(problems, texts));
    output.out(`${verdictOf(problems)} (${counted(count, "filter")})\n`);
  }
  return hasErrors(problems) ? exitStatus.problems : exitStatus.ok;
}

interface Found {
  readonly problems: readonly Problem[];
  readonly texts: ReadonlyMap<string, string>;
  readonly count: number;
}

async function checkFiles(
  settings: Settings,
  files: readonly string[],
  isCompat: boolean,
): Promise<Found> {
  const problems: Problem[] = [];
  const texts = new Map<string, string>();
  for (const file of files) {
    const text = await readGivenFile(file);
    const judged = await judge(settings, { file, text, isCompat });
    problems.push(...judged.problems);
    for (const [name, words] of judged.texts) texts.set(name, words);
  }
  return { problems, texts, count: files.length };
}

/** Codes of problems with filters where they are bound. */
const ofFilters = /FILTER|_VARIABLE$|^UNUSED_PARAMETERS$/;

/** What is wrong in a definition, and with whom it is bound to. */
async function checkAll(settings: Settings): Promise<Found> {
  const { decision, texts, filterFiles } = await collect(settings);
  const problems = decision.problems.filter(
    ({ at, code }) => filterFiles.has(at.file) || ofFilters.test(code),
  );
  return { problems, texts, count: (await readFilters(settings)).length };
}
