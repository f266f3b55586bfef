import { setTimeout } from "node:timers/promises";

import { LabError } from "./run-program.ts";

/** A terminal at which a program runs, started by script(1). */
export interface Terminal {
  /** All that it has shown so far. */
  shown(): string;
  type(keys: string): void;
  /** Resolves with the program's exit status. */
  readonly ended: Promise<number | null>;
}

/** Words of a question, and what is typed at it: keys, or what makes them of what is shown behind the question up to the prompt `> `. */
export type Answer = readonly [question: string, keys: string | ((shown: string) => string)];

const patienceMs = 30_000;

/** Types each answer once its question is there. Throws {@link LabError} where one does not come. */
export async function answerQuestions(
  terminal: Terminal,
  answers: readonly Answer[],
): Promise<{ readonly status: number | null; readonly shown: string }> {
  let hasEnded = false;
  void terminal.ended.then(() => (hasEnded = true));
  let from = 0;
  const comes = async (what: string, isThere: (shown: string) => boolean): Promise<void> => {
    const deadline = Date.now() + patienceMs;
    while (!isThere(terminal.shown().slice(from))) {
      if (hasEnded || Date.now() > deadline) {
        throw new LabError(`${what} did not come: ${terminal.shown()}`);
      }
      await setTimeout(20);
    }
  };
  for (const [question, keys] of answers) {
    await comes(question, (shown) => shown.includes(question));
    from = terminal.shown().indexOf(question, from) + question.length;
    if (typeof keys === "string") terminal.type(keys);
    else {
      await comes("the prompt", (shown) => /\n> /.test(shown));
      terminal.type(keys(terminal.shown().slice(from)));
    }
  }
  const status = await terminal.ended;
  return { status, shown: terminal.shown() };
}
