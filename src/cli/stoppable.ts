import { AdoptionError } from "../reconcile/step-back.ts";
import type { Output } from "./output.ts";

/** SIGHUP: the terminal, or the connection to it, is gone. */
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Does what is done in steps, each of which is told first. A signal does not end the process in the midst of it: the next step is not
 * begun, and an {@link AdoptionError} in its place lets what was done be undone. After the last step it comes too late.
 */
export async function stoppable<Result>(
  output: Output,
  action: (tell: (step: string) => void) => Promise<Result>,
): Promise<Result> {
  const first = "ends with its next step, and undoes what was done; this takes a moment";
  return hearing(output, [first, "it is being undone"], async (heard) => {
    const result = await action((step) => {
      const signal = heard();
      if (signal !== undefined) throw new AdoptionError(`stopped by ${signal}`);
      output.err(`${step}\n`);
    });
    const signal = heard();
    if (signal !== undefined) output.err(`${signal} came too late: all is done\n`);
    return result;
  });
}

/** Does what takes a moment and is not to be left half done: a signal in the midst of it is told so. What came of it is the caller's to say. */
export async function toTheEnd<Result>(
  output: Output,
  action: () => Promise<Result>,
): Promise<Result> {
  const words = "comes too late: it is being done";
  return hearing(output, [words, words], action);
}

/** While the action lasts, a signal is answered by these words, the first of them once, and ends nothing. */
async function hearing<Result>(
  output: Output,
  [first, later]: readonly [string, string],
  action: (heard: () => NodeJS.Signals | undefined) => Promise<Result>,
): Promise<Result> {
  let heard: NodeJS.Signals | undefined;
  const hear = (signal: NodeJS.Signals): void => {
    output.err(`${signal}: ${heard === undefined ? first : later}\n`);
    heard ??= signal;
  };
  // Nobody may read what is told any more, and what was begun has to be ended all the same.
  const ignore = (): void => undefined;
  const streams = [process.stdout, process.stderr];
  for (const signal of signals) process.on(signal, hear);
  for (const stream of streams) stream.on("error", ignore);
  try {
    return await action(() => heard);
  } finally {
    for (const signal of signals) process.off(signal, hear);
    for (const stream of streams) stream.off("error", ignore);
  }
}
