/** Names longer than this are not compared: the distance is quadratic, and nobody mistypes them by two letters. */
const longest = 64;

/** The known name that a person most likely meant: at most two edits away (one for short names); undefined if none is. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: { name: string; distance: number } | undefined;
  const allowed = name.length <= 3 ? 1 : 2;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance <= allowed && (best === undefined || distance < best.distance)) {
      best = { name: candidate, distance };
    }
  }
  return best?.name;
}

/** Insertions, deletions, substitutions and swaps of neighbours; Infinity for names over 64 characters. */
export function editDistance(a: string, b: string): number {
  if (a.length > longest || b.length > longest) return a === b ? 0 : Infinity;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      const isSwap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          at(last, j) + 1,
          at(row, j - 1) + 1,
          at(last, j - 1) + change,
          isSwap ? at(beforeLast, j - 2) + 1 : Infinity,
        ),
      );
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

/** Whether {@link editDistance} is 1 at most, of names of any length: in time that many pairs can have. */
export function isOneEdit(a: string, b: string): boolean {
  let [aEnd, bEnd] = [a.length, b.length];
  if (Math.abs(aEnd - bEnd) > 1) return false;
  let begin = 0;
  while (begin < aEnd && begin < bEnd && a[begin] === b[begin]) begin++;
  while (aEnd > begin && bEnd > begin && a[aEnd - 1] === b[bEnd - 1]) {
    aEnd--;
    bEnd--;
  }
  if (aEnd - begin <= 1 && bEnd - begin <= 1) return true;
  const [swapped, pair] = [`${a[begin + 1]}${a[begin]}`, b.slice(begin, bEnd)];
  return aEnd - begin === 2 && swapped === pair;
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
