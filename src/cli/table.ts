import { escapeControls } from "../base/quote.ts";

/** As virsh prints a table: a head, a line under it, cells aligned; and an empty line at the end. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const safe = [head, ...rows].map((row) => row.map(escapeControls));
  const widths = head.map((_name, i) => Math.max(...safe.map((row) => row[i]?.length ?? 0)));
  const lines = safe.map((row) =>
    row
      .map((cell, i) => ` ${cell.padEnd(widths[i] ?? 0)}  `)
      .join("")
      .trimEnd(),
  );
  const [title = "", ...others] = lines;
  const rule = "-".repeat(widths.reduce((sum, width) => sum + width + 3, 0));
  return `${[title, rule, ...others].join("\n")}\n\n`;
}
