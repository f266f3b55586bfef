import { expect, test } from "vitest";
import { AdoptionError, undoAll } from "./step-back.ts";

test("all is undone, the last first, and everything that cannot be is told", async () => {
  const done: string[] = [];
  const undo = (name: string) => () => Promise.resolve(void done.push(name));
  const fail = (words: string) => () => Promise.reject(new Error(words));
  const all = [undo("first"), fail("disk full"), undo("third"), fail("read-only"), undo("last")];
  await expect(undoAll(all)).rejects.toThrow(new AdoptionError("read-only; disk full"));
  expect(done).toEqual(["last", "third", "first"]);
  await expect(undoAll([undo("alone")])).resolves.toBeUndefined();
});
