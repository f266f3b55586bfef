import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { historyOf, loadHistory } from "./operator-texts.ts";
import { readSettings } from "./settings.ts";

test("what was in force of another policy in the same folder is not taken for this one's", async () => {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  try {
    const settings = readSettings({ policy: join(folder, "mine.yaml"), state: folder });
    const files = ["mine.yaml", "theirs.yaml", "policy.d/more.yaml"];
    for (const name of files) {
      const policy = [{ file: join(folder, name), text: "" }];
      await historyOf(settings).add({ policy, ownFilters: [] }, "a test");
    }
    const held = await loadHistory(settings);
    expect(held.map(({ policy }) => policy[0]?.file)).toEqual([
      join(folder, "policy.d/more.yaml"),
      join(folder, "mine.yaml"),
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
