import type { Place, Problem } from "./problem.ts";

/** More than a person reads; a hostile or broken file makes millions. */
const shown = 100;

/** In the order of the files given, then by line and column, then as they came. */
export function sortProblems(problems: readonly Problem[], files: readonly string[]): Problem[] {
  const rank = new Map(files.map((file, index) => [file, index]));
  const rankOf = (place: Place) => rank.get(place.file) ?? files.length;
  return problems.toSorted(
    (a, b) =>
      rankOf(a.at) - rankOf(b.at) ||
      (a.at.file < b.at.file ? -1 : a.at.file > b.at.file ? 1 : 0) ||
      a.at.line - b.at.line ||
      a.at.column - b.at.column,
  );
}

/** The first hundred, errors kept before warnings, and a last one that tells how many more there are. */
export function capProblems(problems: readonly Problem[]): Problem[] {
  if (problems.length <= shown) return [...problems];
  const errors = problems.filter((problem) => problem.severity === "error");
  const warnings = problems.filter((problem) => problem.severity === "warning");
  const kept = new Set([...errors, ...warnings].slice(0, shown));
  const left = problems.filter((problem) => !kept.has(problem));
  const [first] = left;
  if (first === undefined) return [...problems];
  return [
    ...problems.filter((problem) => kept.has(problem)),
    {
      code: "MORE_PROBLEMS",
      severity: left.some((problem) => problem.severity === "error") ? "error" : "warning",
      at: first.at,
      message: `${left.length} more problems are not shown`,
    },
  ];
}
