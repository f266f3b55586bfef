/** It did not come to pass; the message tells why, and what of it could not be undone. */
export class AdoptionError extends Error {
  override readonly name = "AdoptionError";
}

export type Undo = readonly [what: string, action: () => Promise<void>];

export interface SteppingBack {
  /** The machine's, which become an {@link AdoptionError}. Anything else is a fault of ours, and tells as a plain error what was undone. */
  readonly refusals: readonly (new (...words: never[]) => Error)[];
  /**
   * The command that undoes the rest later. Given where each step is safe upon those before it only: what cannot be undone then keeps
   * them. Without it all others are undone all the same.
   */
  readonly later?: string;
}

/** Whatever fails undoes what `undo` holds by then, the last first. */
export async function steppingBack(
  { refusals, later }: SteppingBack,
  action: (undo: Undo[]) => Promise<void>,
): Promise<void> {
  const undo: Undo[] = [];
  try {
    await action(undo);
  } catch (cause) {
    const left: string[] = [];
    for (const [what, back] of undo.toReversed()) {
      try {
        await back();
      } catch (error) {
        left.push(`${what} could not be put back: ${messageOf(error)}`);
        if (later === undefined) continue;
        left.push(`what was done before that stays: ${later}`);
        break;
      }
    }
    const end = left.length === 0 ? "everything is as it was before" : left.join("; ");
    const isRefusal = refusals.some((refusal) => cause instanceof refusal);
    const Failure = isRefusal ? AdoptionError : Error;
    throw new Failure(`${messageOf(cause)}; ${end}`, { cause });
  }
}

/** Undoes all of it, the last first: what cannot be undone keeps nothing else away. Throws an {@link AdoptionError} that tells all of that. */
export async function undoAll(undoing: readonly (() => Promise<void>)[]): Promise<void> {
  const left: string[] = [];
  for (const undo of undoing.toReversed()) {
    await undo().catch((error: unknown) => void left.push(messageOf(error)));
  }
  if (left.length > 0) throw new AdoptionError(left.join("; "));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
