import { expect, test } from "vitest";
import { examinations } from "../../src/doctor/examinations.ts";
import { readDocument } from "./documents.ts";

const page = readDocument("docs/doctor.md");

test("docs/doctor.md names every examination, in their order, and no other", () => {
  const table = page.split(/^## /m).find((text) => text.startsWith("What it looks for")) ?? "";
  const named = [...table.matchAll(/^\| `([\w-]+)`/gm)].map(([, id]) => id);
  expect(named).toEqual(examinations.map(({ id }) => id));
});
