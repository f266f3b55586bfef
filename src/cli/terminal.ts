import { randomInt } from "node:crypto";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { RefusedError } from "./exit-status.ts";

/** Somebody who answers line by line. */
export interface Terminal {
  /** An empty answer is the usual one. Throws {@link RefusedError} where nobody answers any more. */
  ask(question: string, usual: string): Promise<string>;
  /**
   * Whether somebody has read this and typed the word that it ends with, in that time. The word is of this moment: what was typed
   * ahead, or pasted, is no answer, and who leaves has not typed it.
   */
  isConfirmedWithin(question: string, seconds: number): Promise<boolean>;
  close(): void;
}

/** Undefined where nobody sits at it. Lines that come before they are asked for wait. */
export function openTerminal(): Terminal | undefined {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return undefined;
  const reader = createInterface({ input: process.stdin, output: process.stdout });
  const lines = reader[Symbol.asyncIterator]();
  let isClosed = false;
  reader.once("close", () => (isClosed = true));
  /** Undefined where nobody answers any more: by ^C, ^D, or since the terminal is gone. */
  const next = async (question: string): Promise<string | undefined> => {
    reader.setPrompt(question);
    if (!isClosed) reader.prompt();
    const { done, value } = await lines.next();
    return done === true ? undefined : value.trim();
  };
  return {
    ask: async (question, usual) => {
      const answer = await next(`${question} [${usual}] `);
      if (answer === undefined) throw new RefusedError("ended by you: nothing was changed");
      return answer || usual;
    },
    isConfirmedWithin: (question, seconds) => {
      const word = `keep-${randomInt(1000, 10_000)}`;
      const isRead = async (): Promise<boolean> => {
        for (let shown = `${question} ${word}\n`; ; shown = "") {
          const line = await next(`${shown}> `);
          if (line === word) return true;
          if (line === "no" || line === undefined) return false;
        }
      };
      return Promise.race([isRead(), setTimeout(seconds * 1000, false, { ref: false })]);
    },
    close: () => reader.close(),
  };
}
