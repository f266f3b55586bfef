import { expect, test } from "vitest";
import { Churn } from "./churn.ts";

test("the first looks are free, looks in vain cost more and more, and one that finds something is free again", () => {
  const churn = new Churn();
  expect(churn.delayMs).toBe(0);
  for (let look = 0; look < 8; look++) churn.looked(false);
  expect(churn.delayMs).toBe(0);
  for (let look = 0; look < 5; look++) churn.looked(false);
  expect(churn.delayMs).toBe(50);
  for (let look = 0; look < 50; look++) churn.looked(false);
  expect(churn.delayMs).toBe(200);
  churn.looked(true);
  expect(churn.delayMs).toBe(0);
});

test("where every look finds something, again and again, it is looked once a second", () => {
  const churn = new Churn();
  for (let look = 0; look < 40; look++) churn.looked(true);
  expect([churn.delayMs, churn.contestedTimes]).toEqual([0, undefined]);
  churn.looked(true);
  expect([churn.delayMs, churn.contestedTimes]).toEqual([1_000, 41]);
});
