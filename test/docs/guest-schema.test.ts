import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { guestNamespace } from "../../src/parse/guest-metadata.ts";
import { policyJsonSchema } from "../../src/parse/policy-schema.ts";
import { readDocument } from "./documents.ts";

const schema = readFileSync(join(import.meta.dirname, "../../schema/guest.rng"), "utf8");

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | false;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

/** Keys of the whole, but not those that somebody else chose. */
function keysOf(schema: JsonSchema): string[] {
  const { properties = {}, additionalProperties, items, anyOf = [] } = schema;
  const inner = [...Object.values(properties), additionalProperties, items, ...anyOf].filter(
    (part) => part !== undefined && part !== false,
  );
  return [...Object.keys(properties), ...inner.flatMap(keysOf)];
}

test("schema/guest.rng names the keys that a guest has in a policy file, and no other", () => {
  const { properties = {} } = policyJsonSchema() as JsonSchema;
  const keys = new Set(keysOf(properties["guests"] ?? {}));
  const named = [...schema.matchAll(/<element name="(\w+)"/g)].map(([, name = ""]) => name);
  expect([...new Set(named)].toSorted()).toEqual([...keys, "guest"].toSorted());
});

test("the schema and the manual have the namespace that is read", () => {
  expect(schema).toContain(`ns="${guestNamespace}"`);
  expect(readDocument("docs/policy.md")).toContain(`\`${guestNamespace}\``);
});
