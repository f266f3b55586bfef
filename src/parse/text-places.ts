import type { Place } from "../model/problem.ts";
import type { SourceText } from "../model/source-text.ts";

/** Turns offsets (UTF-16 units) into places. Lines end with `\n`; offsets past the end are the end. */
export function placesOf(source: SourceText): (offset: number) => Place {
  const starts = [0];
  for (let i = source.text.indexOf("\n"); i >= 0; i = source.text.indexOf("\n", i + 1)) {
    starts.push(i + 1);
  }
  return (offset) => {
    const bounded = Math.max(0, Math.min(offset, source.text.length));
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= bounded) low = middle;
      else high = middle - 1;
    }
    return { file: source.file, line: low + 1, column: bounded - (starts[low] ?? 0) + 1 };
  };
}
