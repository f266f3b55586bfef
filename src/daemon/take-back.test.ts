import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { FakeFilters, FakePolicy } from "../ports/sources.fake.ts";
import { Journal } from "./journal.ts";
import { takeBackUnconfirmed, watchUnconfirmed } from "./take-back.ts";

test("a change that cannot be taken back is told once, however often it is tried", async () => {
  const stateFolder = await mkdtemp(join(tmpdir(), "virtwall-"));
  const journal = new Journal();
  const sources = {
    policy: new FakePolicy([]),
    filters: new FakeFilters({ filters: [], ownFilters: [] }),
  };
  const parts = { stateFolder, sources, journal };
  try {
    await writeFile(join(stateFolder, "unconfirmed.json"), "half a fi");
    const why = await takeBackUnconfirmed(parts);
    expect(why).toContain("is nothing that virtwall has saved");
    expect(await takeBackUnconfirmed(parts, why)).toBe(why);
    expect(journal.events.map(({ message }) => message)).toEqual([why]);
    await rm(join(stateFolder, "taking-back.json"));
    expect(await takeBackUnconfirmed(parts, why)).toBeUndefined();
  } finally {
    await rm(stateFolder, { recursive: true });
  }
});

test("a look for a change to take back begins after the one before is over, and none after the end", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  try {
    const sources = {
      policy: new FakePolicy([]),
      filters: new FakeFilters({ filters: [], ownFilters: [] }),
    };
    const stateFolder = join(tmpdir(), "virtwall-no-such-folder");
    const end = watchUnconfirmed({ stateFolder, sources, journal: new Journal() });
    vi.advanceTimersByTime(5_000);
    expect(vi.getTimerCount()).toBe(0);
    await setImmediate();
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(5_000);
    end();
    await setImmediate();
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
