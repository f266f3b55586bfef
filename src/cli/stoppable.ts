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
  let heard: NodeJS.Signals | undefined;
  const hear = (signal: NodeJS.Signals): void => {
    const words = "ends with its next step, and undoes what was done; this takes a moment";
    output.err(`${signal}: ${heard === undefined ? words : "it is being undone"}\n`);
    heard ??= signal;
  };
  // Nobody may read what is told any more, and what was begun has to be undone all the same.
  const ignore = (): void => undefined;
  const streams = [process.stdout, process.stderr];
  for (const signal of signals) process.on(signal, hear);
  for (const stream of streams) stream.on("error", ignore);
  try {
    const result = await action((step) => {
      if (heard !== undefined) throw new AdoptionError(`stopped by ${heard}`);
      output.err(`${step}\n`);
    });
    if (heard !== undefined) output.err(`${heard} came too late: all is done\n`);
    return result;
  } finally {
    for (const signal of signals) process.off(signal, hear);
    for (const stream of streams) stream.off("error", ignore);
  }
}
