const darkFromMs = 100;

/**
 * Measures the time in which nothing came through by datagrams in a row that never came back. A clock would also count how long the
 * client or the guest stood still on a busy machine: what that delays is sent later, or comes back later.
 */
export function measureLostRuns(
  sent: number,
  seen: ReadonlySet<number>,
  datagramsPerSecond: number,
): { longestGapMs: number; darkMs: number } {
  const runs: number[] = [];
  let run = 0;
  for (let number = 0; number <= sent; number += 1) {
    if (number < sent && !seen.has(number)) {
      run += 1;
      continue;
    }
    if (run > 0) runs.push((1_000 * run) / datagramsPerSecond);
    run = 0;
  }
  const dark = runs.filter((ms) => ms > darkFromMs);
  return {
    longestGapMs: Math.round(Math.max(0, ...runs)),
    darkMs: Math.round(dark.reduce((sum, ms) => sum + ms, 0)),
  };
}
