import type { Mender } from "../ports/mender.ts";
import type { NamedFinding } from "./examine.ts";

/** What became of one step of a fix. */
export type Mended =
  | { readonly id: string; readonly done: string }
  | { readonly id: string; readonly refused: string };

/**
 * Carries out each step once: findings may share one. What comes after a refused step may count on it, so a finding whose step is refused is
 * left there. `reasonOf` says a refusal in words, and throws what is none.
 */
export async function mend(
  findings: readonly NamedFinding[],
  mender: Mender,
  reasonOf: (error: unknown) => string,
): Promise<readonly Mended[]> {
  const mended: Mended[] = [];
  const isDone = new Map<string, boolean>();
  for (const { id, fix } of findings) {
    for (const step of fix.steps ?? []) {
      const key = JSON.stringify(step);
      if (!isDone.has(key)) {
        try {
          mended.push({ id, done: await mender.carryOut(step) });
          isDone.set(key, true);
        } catch (error) {
          mended.push({ id, refused: reasonOf(error) });
          isDone.set(key, false);
        }
      }
      if (isDone.get(key) === false) break;
    }
  }
  return mended;
}
