import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parsePlainYaml } from "./plain-yaml.ts";
import { parseYaml } from "./policy-yaml.ts";

/** The yaml package's word: a comment that is not plain makes it read the whole text, and changes nothing else. */
function byPackage(text: string) {
  return parseYaml({ file: "policy.yaml", text: `${text}\n# \u{1f642}\n` });
}

function plainly(text: string) {
  return parsePlainYaml({ file: "policy.yaml", text });
}

const cases = join(import.meta.dirname, "../../test/cases");
const policies = readdirSync(cases, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => readFileSync(join(cases, file), "utf8"));

const word = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom("web1", "tcp/80", "tcp/2222:22", "2001:db8::/32") },
  { weight: 20, arbitrary: fc.constantFrom("10.0.0.1", "true", "0x10", "80", "'a b'", '"tcp/80"') },
  { weight: 1, arbitrary: fc.constantFrom('"#"', "null", "1.5", "a b", "- a", "''", "a#b", "a:") },
  { weight: 1, arbitrary: fc.stringMatching(/^[ -~]{0,6}$/) },
);
const key = fc.oneof(
  { weight: 30, arbitrary: fc.stringMatching(/^[a-z]{1,3}$/) },
  { weight: 1, arbitrary: word },
);
const comma = fc.constantFrom(", ", ", ", ",", ",\n    ", " ,\n ");
const colon = fc.constantFrom(": ", ": ", ": ", ":  ", ":", " : ", ":\n      ");
const spaces = fc.constantFrom("", "", "", " ", "  ", " # c", "\n", "\n# c\n", "\n   # c");

/** What stands in one line, or the lines of a block without their indentation. */
type Value = string | readonly string[];

function indented(lines: readonly string[], by: number): string[] {
  return lines.map((line) => `${" ".repeat(by)}${line}`);
}

const { value, block } = fc.letrec<{ value: Value; block: readonly string[]; flow: string }>(
  (tie) => ({
    flow: fc.oneof(
      { maxDepth: 3, depthSize: "small" },
      word,
      fc
        .tuple(fc.array(tie("flow"), { maxLength: 3 }), comma, fc.boolean())
        .map(([items, by, isOpen]) => `[${items.join(by)}${isOpen ? by : ""}]`),
      fc
        .tuple(fc.array(fc.tuple(key, tie("flow")), { maxLength: 3 }), comma, colon)
        .map(([entries, by, is]) => `{ ${entries.map((entry) => entry.join(is)).join(by)} }`),
    ),
    value: fc.oneof({ maxDepth: 3, depthSize: "small" }, tie("flow"), tie("block")),
    block: fc.oneof(
      fc
        .array(fc.tuple(key, tie("value"), fc.integer({ min: 0, max: 3 }), spaces), {
          minLength: 1,
          maxLength: 3,
        })
        .map((entries) =>
          entries.flatMap(([name, inner, depth, end]) =>
            typeof inner === "string"
              ? `${name}: ${inner}${end}`.split("\n")
              : [...`${name}:${end}`.split("\n"), ...indented(inner, depth)],
          ),
        ),
      fc.array(tie("value"), { minLength: 1, maxLength: 3 }).map((items) =>
        items.flatMap((item) => {
          const [first = "", ...rest] = typeof item === "string" ? item.split("\n") : item;
          return [`- ${first}`, ...indented(rest, 2)];
        }),
      ),
    ),
  }),
);

const made = fc
  .tuple(key, value, block)
  .map(([name, inner, after]) =>
    typeof inner === "string"
      ? `${name}: ${inner}`
      : [`${name}:`, ...indented(inner, 2), "after:", ...after].join("\n"),
  );
const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat(4),
  insert: fc.constantFrom(
    "",
    " ",
    "\n",
    ":",
    "- ",
    "#",
    " #",
    ",",
    "[",
    "}",
    '"',
    "'",
    "a",
    "&a",
    "\n  ",
    "? ",
    "-",
    "0",
  ),
});
const edited = fc
  .tuple(fc.oneof(fc.constantFrom(...policies), made), fc.array(edit, { maxLength: 2 }))
  .map(([text, edits]) =>
    edits.reduce((before, { at, length, insert }) => {
      const offset = Math.floor(at * before.length);
      return before.slice(0, offset) + insert + before.slice(offset + length);
    }, text),
  );

/** With the order of the keys, which is that of the policy's guests. */
function textOf(tree: unknown): string {
  return JSON.stringify(tree, (_key, value: unknown) =>
    value instanceof Map ? [...value] : value,
  );
}

test("what is read plainly is what the yaml package reads", () => {
  let plain = 0;
  let all = 0;
  fc.assert(
    fc.property(fc.oneof(made, edited), (text) => {
      all++;
      const tree = plainly(text);
      if (tree === undefined) return;
      plain++;
      const { tree: expected, problems } = byPackage(text);
      expect(problems).toEqual([]);
      expect(textOf(tree)).toBe(textOf(expected));
    }),
    { numRuns: 2000 },
  );
  expect(plain / all).toBeGreaterThan(0.2);
});

test("policies are read plainly", () => {
  for (const text of policies) expect(plainly(text)).toBeDefined();
});

test.each([
  ["an escape", 'a: "\\n"'],
  ["an alias", "a: &b c\nd: *b"],
  ["a tag", "a: !!str 1"],
  ["a block scalar", "a: |\n  b"],
  ["a key given twice", "a: 1\na: 2"],
  ["a second document", "a: 1\n---\nb: 2"],
  ["a tab", "a:\tb"],
  ["a number with a fraction", "a: 1.5"],
  ["nothing", ""],
])("%s is left to the yaml package", (_what, text) => {
  expect(plainly(text)).toBeUndefined();
});
