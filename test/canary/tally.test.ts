import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const repository = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "virtwall-tally-"));
afterAll(() => rmSync(folder, { recursive: true }));

const first = report("first", [
  { file: "a.test.ts", tests: { steady: "passed", starved: "failed" } },
  { file: "b.test.ts", tests: { wrong: "failed", later: "skipped" } },
  { file: "c.test.ts", tests: {}, status: "failed" },
  { file: "d.test.ts", tests: { untouched: "passed" } },
  { file: "e.test.ts", tests: { cleared: "passed" }, status: "failed" },
]);

test("a report without a second one names what failed, a file that could not be loaded among it", () => {
  expect(tally(first)).toEqual([
    "3 4 1",
    "failed: a.test.ts: starved: wrong: it is",
    "failed: b.test.ts: wrong: wrong: it is",
    "failed: c.test.ts: not loaded",
    "failed: e.test.ts: not loaded",
  ]);
});

test("the files to run again are those in which something failed", () => {
  expect(tally("--files", first)).toEqual(["a.test.ts", "b.test.ts", "c.test.ts", "e.test.ts"]);
});

test("what fails twice has failed, and what passes the second time is called unsteady", () => {
  const second = report("second", [
    { file: "a.test.ts", tests: { steady: "passed", starved: "passed" } },
    { file: "b.test.ts", tests: { wrong: "failed", later: "skipped" } },
    { file: "c.test.ts", tests: { loaded: "passed" } },
  ]);
  expect(tally(first, second)).toEqual([
    "5 2 1",
    "failed: b.test.ts: wrong: wrong: it is",
    "failed: e.test.ts: not loaded",
    "unsteady: a.test.ts: starved: wrong: it is",
    "unsteady: c.test.ts: not loaded",
  ]);
});

interface TestedFile {
  file: string;
  tests: Record<string, "passed" | "failed" | "skipped">;
  status?: "failed";
}

/** Writes a report in vitest's form. */
function report(name: string, files: TestedFile[]): string {
  const testResults = files.map(({ file, tests, status }) => ({
    name: join(repository, file),
    status: status ?? (Object.values(tests).includes("failed") ? "failed" : "passed"),
    message: status === "failed" ? "not loaded" : "",
    assertionResults: Object.entries(tests).map(([fullName, result]) => ({
      fullName,
      status: result,
      failureMessages: result === "failed" ? ["wrong: it is\n    at somewhere"] : [],
    })),
  }));
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify({ testResults }));
  return path;
}

function tally(...parameters: string[]): string[] {
  const { stdout, stderr } = spawnSync("node", ["scripts/tally.mjs", ...parameters], {
    cwd: repository,
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  return stdout.trimEnd().split("\n");
}
