import { expect, test } from "vitest";

/** A source with a way to change what it reads. */
export interface SourceUnderTest {
  read(): Promise<unknown>;
  watch(listener: () => void): () => void;
  change(): void | Promise<void>;
  close(): void | Promise<void>;
}

/** What every source promises, the fakes like the real ones. */
export function sourceContract(name: string, open: () => Promise<SourceUnderTest>): void {
  test(`${name}: reading twice without a change gives the same`, async () => {
    const source = await open();
    try {
      expect(await source.read()).toEqual(await source.read());
    } finally {
      await source.close();
    }
  });

  test(`${name}: a change is told, and read after it is told`, async () => {
    const source = await open();
    const before = await source.read();
    let stop = (): void => undefined;
    try {
      let isTold = false;
      stop = source.watch(() => {
        isTold = true;
      });
      await source.change();
      await expect.poll(() => isTold).toBe(true);
      await expect.poll(() => source.read()).not.toEqual(before);
    } finally {
      stop();
      await source.close();
    }
  });

  test(`${name}: nothing is told after the watch has ended`, async () => {
    const source = await open();
    try {
      let count = 0;
      const stop = source.watch(() => count++);
      stop();
      const before = count;
      await source.change();
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(count).toBe(before);
    } finally {
      await source.close();
    }
  });
}
