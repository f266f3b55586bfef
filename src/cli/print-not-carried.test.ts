import { expect, test } from "vitest";
import { printNotCarried } from "./print-not-carried.ts";

test("what is not carried over stands where the operator finds it, whatever its words are", () => {
  const at = { file: "hooks/qemu", line: 3, column: 7 };
  const what = { at, what: "tcp/80\x1b[2J", reason: "it forwards every port" };
  expect(printNotCarried([what, what])).toBe(
    "hooks/qemu:3:7: not carried over: tcp/80\\x1b[2J: it forwards every port\n".repeat(2),
  );
});
