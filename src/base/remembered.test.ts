import { expect, test } from "vitest";
import { remembered, rememberedByText, rememberedWhile } from "./remembered.ts";

test("an object is thought about once, an equal one again", () => {
  const asked: object[] = [];
  const size = remembered((list: readonly number[]) => {
    asked.push(list);
    return list.length;
  });
  const list = [1, 2];
  expect([size(list), size(list), size([1, 2])]).toEqual([2, 2, 2]);
  expect(asked).toHaveLength(2);
});

test("a circumstance that changes is thought about again, and the answer before it is forgotten", () => {
  let count = 0;
  const scaled = rememberedWhile(
    (_list: readonly number[], factor: number) => [factor],
    (list, factor) => {
      count++;
      return list.map((each) => each * factor);
    },
  );
  const list = [1, 2];
  const twice = scaled(list, 2);
  expect(scaled(list, 2)).toBe(twice);
  expect(scaled(list, 3)).toEqual([3, 6]);
  expect(scaled(list, 2)).toEqual(twice);
  expect(count).toBe(3);
});

test("equal texts are thought about once, and of very many answers the oldest are forgotten", () => {
  const asked: number[] = [];
  const half = rememberedByText(String, (number: number) => {
    asked.push(number);
    return number / 2;
  });
  for (let number = 0; number <= 1000; number++) half(number);
  asked.length = 0;
  expect([half(1000), half(1), half(0)]).toEqual([500, 0.5, 0]);
  expect(asked).toEqual([0]);
});
