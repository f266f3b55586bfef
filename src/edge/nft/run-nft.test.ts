import { expect, it } from "vitest";
import { isAtLeast, refusal } from "./run-nft.ts";

it.each([
  [[1, 0, 6], true],
  [[1, 0, 10], true],
  [[1, 1, 0], true],
  [[2, 0, 0], true],
  [[1, 0, 5], false],
  [[0, 9, 8], false],
  [[1], false],
])("version %j against 1.0.6: %s", (version, expected) => {
  expect(isAtLeast(version, [1, 0, 6])).toBe(expected);
});

it.each([
  ["Error: Could not resolve protocol name", "netbase"],
  ["Error: syntax error, unexpected junk", undefined],
])("%s: the package that is missing is %s", (stderr, missing) => {
  expect(refusal({ status: 1, stdout: "", stderr }, "nft -f -").missing).toBe(missing);
});
