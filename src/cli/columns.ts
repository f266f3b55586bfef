import { escapeControls } from "../base/quote.ts";

/** Rows with their cells aligned, two spaces between. Cells are made safe for a terminal: guests choose their names. */
export function printColumns(rows: readonly (readonly string[])[], indent = "  "): string {
  const widths: number[] = [];
  const safe = rows.map((row) => row.map(escapeControls));
  for (const row of safe) {
    for (const [index, cell] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    }
  }
  return safe
    .map((row) => {
      const cells = row.map((cell, index) => cell.padEnd(widths[index] ?? 0));
      return `${indent}${cells.join("  ").trimEnd()}\n`;
    })
    .join("");
}

/** `1 guest`, `2 guests` */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** A line each, whoever has chosen their words. */
export function printLines(lines: readonly string[]): string {
  return lines.map((line) => `${escapeControls(line)}\n`).join("");
}

/** More than a screen is cut: the whole is in `--json`. */
export function printChanges(changes: readonly string[]): string {
  const longest = 20;
  const shown = changes.length > longest ? changes.slice(0, longest - 1) : changes;
  const left = changes.length - shown.length;
  const lines = left === 0 ? shown : [...shown, `… and ${left} more`];
  return printLines(lines);
}
