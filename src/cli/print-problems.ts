import { readFile } from "node:fs/promises";
import { formatProblem } from "../model/problem-text.ts";
import type { Problem } from "../model/problem.ts";
import { counted } from "./columns.ts";

export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.severity === "error");
}

export function printProblems(
  problems: readonly Problem[],
  texts: ReadonlyMap<string, string>,
): string {
  return problems
    .map((problem) => `${formatProblem(problem, texts.get(problem.at.file))}\n`)
    .join("");
}

/** The texts that they speak of, as far as they are files of this host. */
export async function readTexts(
  problems: readonly Problem[],
): Promise<ReadonlyMap<string, string>> {
  const files = [...new Set(problems.map(({ at }) => at.file))];
  const texts = await Promise.all(
    files.map(async (file) => [file, await readFile(file, "utf8").catch(() => "")] as const),
  );
  return new Map(texts);
}

/** `no problems`, `2 errors, 1 warning` */
export function verdictOf(problems: readonly Problem[]): string {
  const errors = problems.filter((problem) => problem.severity === "error").length;
  const warnings = problems.length - errors;
  const parts = [
    ...(errors > 0 ? [counted(errors, "error")] : []),
    ...(warnings > 0 ? [counted(warnings, "warning")] : []),
  ];
  return parts.length === 0 ? "no problems" : parts.join(", ");
}
