import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const repository = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "virtwall-packages-"));
afterAll(() => rmSync(folder, { recursive: true }));
cpSync(join(repository, "scripts"), join(folder, "scripts"), { recursive: true });

/** They install what is missing, need nothing of it, or begin with another of these scripts. */
const others = ["test", "bench", "demo", "start", "prepack", "package"];

test("in a fresh checkout every script says what installs the npm packages, and nothing else", () => {
  const text = readFileSync(join(repository, "package.json"), "utf8");
  const { scripts } = JSON.parse(text) as { scripts: Record<string, string> };
  for (const [name, command] of Object.entries(scripts)) {
    if (others.includes(name)) continue;
    const { status, stdout, stderr } = spawnSync("sh", ["-c", command], { cwd: folder });
    expect([name, status, `${String(stdout)}${String(stderr)}`]).toEqual([
      name,
      1,
      "the npm packages are not installed: run npm ci, then this again\n",
    ]);
  }
});
