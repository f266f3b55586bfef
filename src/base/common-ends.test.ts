import { expect, test } from "vitest";
import { withoutCommonEnds } from "./common-ends.ts";

test.each([
  ["abc", "abc", "", ""],
  ["abc", "", "abc", ""],
  ["abc", "axc", "b", "x"],
  ["abc", "abxc", "", "x"],
  ["aaa", "aa", "a", ""],
  ["abab", "ab", "ab", ""],
  ["abc", "cba", "abc", "cba"],
])("of %s and %s are left %j and %j", (first, second, left, right) => {
  expect(withoutCommonEnds([...first], [...second])).toEqual([[...left], [...right]]);
});
