import { expect, test } from "vitest";
import { Interruptible } from "./interruptible.ts";

function makeAction(): { action: () => Promise<void>; end: () => void; count: () => number } {
  let count = 0;
  let end = (): void => undefined;
  const action = (): Promise<void> => {
    count++;
    return new Promise((resolve) => (end = resolve));
  };
  return { action, end: () => end(), count: () => count };
}

test("it is waited for to its end, and may be run again", async () => {
  const once = new Interruptible();
  const { action, end, count } = makeAction();
  let late = 0;
  for (let round = 1; round <= 2; round++) {
    const done = once.run(action, () => late++);
    expect(once.isRunning).toBe(true);
    end();
    await done;
    expect([once.isRunning, count(), late]).toEqual([false, round, 0]);
  }
});

test("interrupted, it goes on, is joined by the next, and tells its end once", async () => {
  const once = new Interruptible();
  const { action, end, count } = makeAction();
  let late = 0;
  for (let round = 0; round < 2; round++) {
    const done = once.run(action, () => late++);
    once.interrupt();
    await done;
    expect([once.isRunning, count(), late]).toEqual([true, 1, 0]);
  }
  end();
  await expect.poll(() => late).toBe(1);
  expect(once.isRunning).toBe(false);
});

test("an interruption of nothing is nothing", async () => {
  const once = new Interruptible();
  once.interrupt();
  const { action, end } = makeAction();
  const done = once.run(action, () => undefined);
  end();
  await done;
  once.interrupt();
  expect(once.isRunning).toBe(false);
});
