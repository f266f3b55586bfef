import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FakeFilters, FakePolicy } from "../ports/sources.fake.ts";
import { Journal } from "./journal.ts";
import { takeBackUnconfirmed } from "./take-back.ts";

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
