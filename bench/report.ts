import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** One row of the bench: what was measured, for virtwall and its peers, in one run. */
export interface BenchRow {
  /** The word that selects it on the command line. */
  readonly name: string;
  readonly title: string;
  /** Names of the columns of figures, each with its unit. */
  readonly columns: readonly string[];
  readonly results: readonly BenchResult[];
  /** What the figures do not say by themselves. */
  readonly note: string;
}

export interface BenchResult {
  readonly who: string;
  /** NaN for what was not measured. */
  readonly figures: readonly number[];
  /** The others' figures are shown as multiples of this one's. */
  readonly isReference: boolean;
}

export interface Machine {
  readonly date: string;
  readonly kernel: string;
  readonly nft: string;
  readonly iptables: string;
  readonly node: string;
  readonly processors: number;
  /** Programs that wanted a processor in the minute before the run. */
  readonly load: number;
}

export function printRow(row: BenchRow): string {
  const reference = row.results.find((result) => result.isReference);
  const header = ["", ...row.columns];
  const body = row.results.map(({ who, figures }) => [
    who,
    ...figures.map((figure, i) => figureText(figure, reference?.figures[i])),
  ]);
  const widths = header.map((_, i) =>
    Math.max(...[header, ...body].map((cells) => cells[i]?.length ?? 0)),
  );
  const lines = [header, ...body].map((cells) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
  return [row.title, ...lines, row.note, `again: npm run bench ${row.name}`, ""].join("\n");
}

function figureText(figure: number, reference: number | undefined): string {
  if (Number.isNaN(figure)) return "-";
  const text = figure >= 100 || Number.isInteger(figure) ? figure.toFixed(0) : figure.toFixed(1);
  if (reference === undefined || reference === 0) return text;
  return `${text} (${(figure / reference).toFixed(2)}x)`;
}

export function saveReport(file: string, machine: Machine, rows: readonly BenchRow[]): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ machine, rows }, undefined, 2)}\n`);
}
