import { StateError } from "../../ports/state.ts";

/** What the action gives. Where it fails, a {@link StateError} says what is not done, and why. */
export async function orStateError<Result>(
  failure: string,
  action: () => Promise<Result>,
): Promise<Result> {
  try {
    return await action();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === "ENOSPC" ? "no space left on the disk" : message;
    throw new StateError(`${failure}: ${why}`, { cause });
  }
}
