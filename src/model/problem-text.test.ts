import { expect, test } from "vitest";
import { formatProblem } from "./problem-text.ts";
import type { Problem } from "./problem.ts";

const problem: Problem = {
  code: "UNKNOWN_KEY",
  severity: "error",
  at: { file: "policy.yaml", line: 2, column: 3 },
  message: "unknown key 'pubish'",
  hint: "did you mean 'publish'?",
};

test("a problem stands under its place, its source line and its hint below", () => {
  expect(formatProblem(problem, "web1:\n  pubish: 3\n")).toBe(
    [
      "policy.yaml:2:3: error UNKNOWN_KEY: unknown key 'pubish'",
      "      pubish: 3",
      "      ^",
      "  hint: did you mean 'publish'?",
    ].join("\n"),
  );
});

test("without a source, or past its end, only the message and the hint are printed", () => {
  const short = [
    "policy.yaml:2:3: error UNKNOWN_KEY: unknown key 'pubish'",
    "  hint: did you mean 'publish'?",
  ].join("\n");
  expect(formatProblem(problem)).toBe(short);
  expect(formatProblem(problem, "one line")).toBe(short);
});

test("a problem without a hint has no hint line", () => {
  const { hint, ...bare } = problem;
  expect(hint).toBeDefined();
  expect(formatProblem(bare)).toBe("policy.yaml:2:3: error UNKNOWN_KEY: unknown key 'pubish'");
});

test("control characters of the source neither reach the terminal nor move the caret", () => {
  const text = formatProblem(problem, "x\n\t\x1b[2Jab\r\n");
  expect(text.split("\n").slice(1, 3)).toEqual(["     �[2Jab", "      ^"]);
});

test("a long line is cut around the place", () => {
  const at = { file: "a.xml", line: 1, column: 5_000_001 };
  const source = `${"a".repeat(5_000_000)}b${"c".repeat(5_000_000)}`;
  const [, line = "", caret = ""] = formatProblem({ ...problem, at }, source).split("\n");
  expect(line.length).toBeLessThan(120);
  expect(line[caret.indexOf("^")]).toBe("b");
});
