import { escapeControls } from "../base/quote.ts";
import type { Place, Problem } from "./problem.ts";

/** For a message that speaks of another place than its own. */
export function placeText({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`;
}

/** Columns of source shown; a longer line is cut around the place. */
const width = 110;

/**
 * `file:line:column: error CODE: message`, then the line of the source with a caret under the place, then the hint. Safe for a
 * terminal whatever the source holds. Without the source's text the first line and the hint. No newline at the end.
 */
export function formatProblem(problem: Problem, sourceText?: string): string {
  const { file, line, column } = problem.at;
  const place = `${escapeControls(file)}:${line}:${column}`;
  const lines = [
    `${place}: ${problem.severity} ${problem.code}: ${escapeControls(problem.message)}`,
  ];
  const source = sourceText === undefined ? undefined : lineOf(sourceText, line);
  if (source !== undefined && source.trim() !== "") lines.push(...excerpt(source, column));
  if (problem.hint !== undefined) lines.push(`  hint: ${escapeControls(problem.hint)}`);
  return lines.join("\n");
}

function lineOf(text: string, line: number): string | undefined {
  let start = 0;
  for (let i = 1; i < line; i++) {
    start = text.indexOf("\n", start) + 1;
    if (start === 0) return undefined;
  }
  const end = text.indexOf("\n", start);
  return text.slice(start, end < 0 ? undefined : end).replace(/\r$/, "");
}

function excerpt(source: string, column: number): string[] {
  const start = column <= width - 10 ? 0 : column - 1 - width / 2;
  const shown = source.slice(start, start + width);
  // One column each, so that the caret stands where it should.
  const visible = shown.replace(/\t/g, " ").replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "�");
  const before = start > 0 ? "…" : "";
  const after = start + width < source.length ? "…" : "";
  const indent = " ".repeat(Math.max(0, column - 1 - start + before.length));
  return [`    ${before}${visible}${after}`.trimEnd(), `    ${indent}^`];
}
