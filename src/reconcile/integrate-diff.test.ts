import { expect, test } from "vitest";

import { unifiedDiff } from "./integrate-diff.ts";

const lines = (...text: readonly string[]) => `${text.join("\n")}\n`;

test("equal texts have no diff", () => {
  expect(unifiedDiff("f", "a\n", "a\n")).toBe("");
});

test("added lines stand in hunks of three lines of context, as diff -u prints them", () => {
  const before = lines("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13");
  const after = lines("1", "x", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "y", "13");
  expect(unifiedDiff("/etc/f", before, after)).toBe(
    lines(
      "--- /etc/f",
      "+++ /etc/f",
      "@@ -1,4 +1,5 @@",
      " 1",
      "+x",
      " 2",
      " 3",
      " 4",
      "@@ -9,5 +10,5 @@",
      " 9",
      " 10",
      " 11",
      "-12",
      "+y",
      " 13",
    ),
  );
});

test("a missing line break at the end is told", () => {
  expect(unifiedDiff("f", "a", "a\nb")).toBe(
    lines(
      "--- f",
      "+++ f",
      "@@ -1 +1,2 @@",
      "-a",
      "\\ No newline at end of file",
      "+a",
      "+b",
      "\\ No newline at end of file",
    ),
  );
});
