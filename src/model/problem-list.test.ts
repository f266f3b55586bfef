import { expect, test } from "vitest";
import { capProblems, sortProblems } from "./problem-list.ts";
import type { Problem } from "./problem.ts";

function problem(file: string, line: number, severity: Problem["severity"] = "error"): Problem {
  return { code: "X", severity, at: { file, line, column: 1 }, message: `${file} ${line}` };
}

test("problems are sorted by the order of files, then by place", () => {
  const sorted = sortProblems(
    [problem("z", 1), problem("b", 2), problem("a", 9), problem("b", 1), problem("y", 1)],
    ["b", "a"],
  );
  expect(sorted.map(({ message }) => message)).toEqual(["b 1", "b 2", "a 9", "y 1", "z 1"]);
});

test("a hundred problems are all shown", () => {
  const hundred = Array.from({ length: 100 }, (_, line) => problem("a", line));
  expect(capProblems(hundred)).toEqual(hundred);
});

test("of more than a hundred the first hundred are shown, and the rest counted", () => {
  const many = Array.from({ length: 350 }, (_, line) => problem("a", line));
  const capped = capProblems(many);
  expect(capped).toHaveLength(101);
  expect(capped.at(-1)).toMatchObject({
    code: "MORE_PROBLEMS",
    severity: "error",
    message: "250 more problems are not shown",
  });
});

test("errors are not pushed out by warnings", () => {
  const many = [
    ...Array.from({ length: 150 }, (_, line) => problem("a", line, "warning")),
    problem("b", 1),
  ];
  const capped = capProblems(many);
  expect(capped.filter(({ severity }) => severity === "error")).toHaveLength(1);
  expect(capped.at(-1)).toMatchObject({ severity: "warning" });
});
