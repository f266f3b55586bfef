import { describe, expect, test } from "vitest";
import { parsePolicy } from "../../src/parse/policy.ts";
import { policyJsonSchema } from "../../src/parse/policy-schema.ts";
import { documentNames, fencedBlocks, readDocument } from "./documents.ts";

const examples = documentNames().flatMap((file) =>
  fencedBlocks(readDocument(file), "yaml").map((text, i) => ({ file, text, number: i + 1 })),
);

describe("policies that the manual shows", () => {
  test("stand in the README and in the pages of policy, filters, recipes and topology", () => {
    const files = new Set(examples.map(({ file }) => file));
    expect([...files].toSorted()).toEqual([
      "README.md",
      "docs/nwfilter.md",
      "docs/policy.md",
      "docs/recipes.md",
      "docs/topology.md",
    ]);
  });

  test.each(examples)("$file, example $number, has no problem", ({ file, text }) => {
    expect(parsePolicy([{ file, text }]).problems).toEqual([]);
  });
});

test("the policy's page names every key that a policy may have", () => {
  const keys = new Set<string>();
  JSON.stringify(policyJsonSchema(), (key: string, value: unknown) => {
    if (key === "properties") for (const name of Object.keys(value as object)) keys.add(name);
    return value;
  });
  const page = readDocument("docs/policy.md");
  const named = [...keys].filter(
    (key) => page.includes(`\`${key}\``) || page.includes(`## ${key}`),
  );
  expect(named.toSorted()).toEqual([...keys].toSorted());
});
