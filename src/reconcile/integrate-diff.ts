/** A unified diff as `diff -u` prints it, three lines of context; empty where the texts are equal. */
export function unifiedDiff(file: string, before: string, after: string): string {
  if (before === after) return "";
  const edits = compareLines(splitLines(before), splitLines(after));
  return [`--- ${file}`, `+++ ${file}`, ...hunksOf(edits).flatMap(printHunk), ""].join("\n");
}

interface Edit {
  readonly kind: " " | "-" | "+";
  readonly line: string;
  /** Lines of either text ahead of this edit. */
  readonly before: number;
  readonly after: number;
}

/** The last line keeps its lack of a line break in its text, as `diff` tells it. */
function splitLines(text: string): readonly string[] {
  if (text === "") return [];
  const lines = text.split("\n");
  if (lines.at(-1) === "") return lines.slice(0, -1);
  return [...lines.slice(0, -1), `${lines.at(-1) ?? ""}\n\\ No newline at end of file`];
}

/**
 * Walks both texts at once and looks for the next common line nearby: our edits are single lines, so the walk never looks far.
 */
function compareLines(a: readonly string[], b: readonly string[]): readonly Edit[] {
  const edits: Edit[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const skip = nextCommon(a.slice(i, i + 40), b.slice(j, j + 40)) ?? {
      left: a.length - i,
      right: b.length - j,
    };
    for (const end = i + skip.left; i < end; i++) {
      edits.push({ kind: "-", line: a[i] ?? "", before: i, after: j });
    }
    for (const end = j + skip.right; j < end; j++) {
      edits.push({ kind: "+", line: b[j] ?? "", before: i, after: j });
    }
    if (i < a.length && j < b.length) {
      edits.push({ kind: " ", line: a[i] ?? "", before: i++, after: j++ });
    }
  }
  return edits;
}

function nextCommon(
  a: readonly string[],
  b: readonly string[],
): { readonly left: number; readonly right: number } | undefined {
  for (let sum = 0; sum < a.length + b.length; sum++) {
    for (let left = 0; left <= sum; left++) {
      const right = sum - left;
      if (left < a.length && right < b.length && a[left] === b[right]) return { left, right };
    }
  }
  return undefined;
}

const context = 3;

function hunksOf(edits: readonly Edit[]): readonly (readonly Edit[])[] {
  const hunks: { first: number; last: number }[] = [];
  edits.forEach((edit, index) => {
    if (edit.kind === " ") return;
    const open = hunks.at(-1);
    if (open !== undefined && index - open.last <= 2 * context) open.last = index;
    else hunks.push({ first: index, last: index });
  });
  return hunks.map(({ first, last }) =>
    edits.slice(Math.max(0, first - context), last + context + 1),
  );
}

function printHunk(edits: readonly Edit[]): readonly string[] {
  const first = edits[0];
  if (first === undefined) return [];
  const span = (start: number, length: number) =>
    `${length === 0 ? start : start + 1}${length === 1 ? "" : `,${length}`}`;
  const before = span(first.before, edits.filter((edit) => edit.kind !== "+").length);
  const after = span(first.after, edits.filter((edit) => edit.kind !== "-").length);
  return [`@@ -${before} +${after} @@`, ...edits.map((edit) => `${edit.kind}${edit.line}`)];
}
