import { expect, test } from "vitest";
import { type Group, noteSet, type ValueSet, valueSetOf } from "./filter-groups.ts";

const at = { file: "f.xml", line: 1, column: 1 };
const given = new Map([["A", []]]);

const setFor = (attribute: string): ValueSet => {
  const group: Group = {
    conditions: [
      { attribute, isNegated: false, value: { kind: "variable", name: "A", iterator: 0 }, at },
    ],
    protocol: "ip",
    given: new Map(),
    isLearned: false,
  };
  const set = valueSetOf(group, given);
  if (set === undefined) throw new Error(`the values of ${attribute} are no elements`);
  return set;
};

test("one name is no set of two kinds", () => {
  const sets = new Map<string, ValueSet>();
  const source = setFor("srcipaddr");
  noteSet(sets, source);
  noteSet(sets, setFor("dstipaddr"));
  expect([...sets.keys()]).toEqual([source.name]);
  expect(() => noteSet(sets, { ...setFor("srcmacaddr"), name: source.name })).toThrow(source.name);
});
