import { join } from "node:path";
import { expect, test } from "vitest";
import { policyJsonSchema } from "./policy-schema.ts";

const file = join(import.meta.dirname, "../../schema/policy.schema.json");

test("schema/policy.schema.json is what the parser takes (after a change: npx vitest run -u src/parse/policy-schema)", async () => {
  await expect(`${JSON.stringify(policyJsonSchema(), undefined, 2)}\n`).toMatchFileSnapshot(file);
});

test("the JSON Schema refuses unknown keys and tells patterns and meanings to editors", () => {
  const text = JSON.stringify(policyJsonSchema());
  expect(text).toContain('"additionalProperties":false');
  expect(text).toContain('"pattern":"^(any|icmp|');
  expect(text).toContain("Absent: every address of the uplinks.");
});
