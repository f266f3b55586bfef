import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PolicyHistory } from "./policy-history.ts";

test("where the author of a change cannot be written, the change goes on, and a bug of ours is told", async () => {
  const folder = mkdtempSync(join(tmpdir(), "virtwall-history-"));
  const file = join(folder, "file");
  writeFileSync(file, "");
  const nothing = { policy: [], ownFilters: [] };
  const announced = new PolicyHistory(join(file, "history")).announce(nothing, { by: "root" });
  await expect(announced).resolves.toBeUndefined();
  const noTexts = { policy: [], ownFilters: undefined as never };
  const mistaken = new PolicyHistory(join(file, "history")).announce(noTexts, { by: "root" });
  await expect(mistaken).rejects.toThrow(TypeError);
  rmSync(folder, { recursive: true });
});
