/** It did not come to pass; the message tells why, and what of it could not be undone. */
export class AdoptionError extends Error {
  override readonly name = "AdoptionError";
}

export type Undo = readonly [what: string, action: () => Promise<void>];

/** A refusal of the machine undoes what `undo` holds by then, the last first, and becomes an {@link AdoptionError}. */
export async function steppingBack(
  refusals: readonly (new (...words: never[]) => Error)[],
  action: (undo: Undo[]) => Promise<void>,
): Promise<void> {
  const undo: Undo[] = [];
  const asRefusal = (error: unknown): Error => {
    if (error instanceof Error && refusals.some((refusal) => error instanceof refusal)) {
      return error;
    }
    throw error;
  };
  try {
    await action(undo);
  } catch (cause) {
    const { message } = asRefusal(cause);
    const left: string[] = [];
    for (const [what, back] of undo.toReversed()) {
      try {
        await back();
      } catch (error) {
        left.push(`${what} could not be put back: ${asRefusal(error).message}`);
      }
    }
    const end = left.length === 0 ? "everything is as it was before" : left.join("; ");
    throw new AdoptionError(`${message}; ${end}`, { cause });
  }
}
