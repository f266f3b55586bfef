import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { RefusedError } from "./exit-status.ts";

/** Somebody who answers line by line. */
export interface Terminal {
  /** An empty answer is the usual one. Throws {@link RefusedError} where nobody answers any more. */
  ask(question: string, usual: string): Promise<string>;
  /** Undefined where the time has passed without an answer. */
  askWithin(question: string, seconds: number): Promise<string | undefined>;
  close(): void;
}

/** Undefined where nobody sits at it. Lines that come before they are asked for wait. */
export function openTerminal(): Terminal | undefined {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return undefined;
  const reader = createInterface({ input: process.stdin, output: process.stdout });
  const lines = reader[Symbol.asyncIterator]();
  const next = async (question: string): Promise<string> => {
    reader.setPrompt(question);
    reader.prompt();
    const { done, value } = await lines.next();
    if (done === true) throw new RefusedError("ended by you");
    return value.trim();
  };
  return {
    ask: async (question, usual) => (await next(`${question} [${usual}] `)) || usual,
    askWithin: (question, seconds) => {
      const late = setTimeout(seconds * 1000, undefined, { ref: false });
      return Promise.race([next(`${question} `), late]);
    },
    close: () => reader.close(),
  };
}
