import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parsePolicy } from "./policy.ts";
import { parseYaml } from "./policy-yaml.ts";
import { parseInPieces, reparseYaml } from "./reparse-yaml.ts";
import { splitPieces } from "./yaml-pieces.ts";

const file = "policy.yaml";

function parsedOf(text: string) {
  const { tree, problems } = parseYaml({ file, text });
  if (tree === undefined || problems.length > 0) throw new Error("bad sample");
  return { source: { file, text }, tree };
}

const guests = Array.from(
  { length: 20 },
  (_, i) => `  g${i}:\n    publish: [{ address: 192.0.2.1, ports: ["tcp/${1000 + i}:80"] }]\n`,
);
const textOf = (count: number) =>
  `host: { failsafe: tcp/22 }\nguests:\n${guests.slice(0, count).join("")}groups:\n  web:\n    ingress:\n      - allow: tcp/80\n`;
const sample = textOf(guests.length);
const small = textOf(6);

/** What often stands on a line of a policy. */
const plainLines = fc.constantFrom(
  ...small.split("\n").filter((line) => line.startsWith("    ")),
  "",
  "# a comment",
  "    # a comment",
);

/** What seldom does, or breaks one. */
const oddLines = fc.constantFrom(
  ...small.split("\n"),
  "  g7:",
  "  'g8': { groups: web }",
  '  "g9": ~',
  "  12: {}",
  "  __proto__: {}",
  "  null:",
  "guests:",
  "networks: # none",
  "    groups: [web,",
  "      other]",
  '    filter: "open',
  '    closed"',
  "    filter: |",
  "    filter: >+",
  "      more words",
  " words",
  "  words",
  "    - words",
  "- words",
  "    ? key",
  "  anchor: &a { groups: web }",
  "  alias: *a",
  "  tagged: !!str 5",
  "---",
  "...",
  "%YAML 1.2",
  "\tgroups: web",
  "  g1: {}\r",
);

const lines = fc.oneof(plainLines, oddLines);

const edits = fc.array(
  fc.record({ at: fc.nat(20), removed: fc.nat(2), added: fc.array(lines, { maxLength: 3 }) }),
  { minLength: 1, maxLength: 3 },
);

function edited(
  text: string,
  changes: readonly { at: number; removed: number; added: string[] }[],
) {
  const all = text.split("\n");
  for (const { at, removed, added } of changes) all.splice(at % all.length, removed, ...added);
  return all.join("\n");
}

describe("a text that was parsed before in another form", () => {
  it("holds what it holds when all of it is read, at the same places", () => {
    let reparsed = 0;
    fc.assert(
      fc.property(edits, edits, (first, second) => {
        const before = edited(small, first);
        const whole = parseYaml({ file, text: before });
        const base = whole.tree && whole.problems.length === 0 ? before : small;
        const text = edited(base, second);
        const tree = reparseYaml({ file, text }, parsedOf(base));
        if (tree === undefined) return;
        reparsed++;
        expect({ tree, problems: [] }).toEqual(parseYaml({ file, text }));
      }),
      { numRuns: 300 },
    );
    expect(reparsed).toBeGreaterThan(10);
  });

  it("gives the same policy", () => {
    const known = new Map([[file, parsedOf(sample)]]);
    const text = sample
      .replace("tcp/1007:80", "tcp/2007:80")
      .replace("  g12:\n", "# new\n  g12:\n");
    const { policy, problems } = parsePolicy([{ file, text }], known);
    expect(problems).toEqual([]);
    expect(policy).toEqual(parsePolicy([{ file, text }]).policy);
    const before = parsePolicy([{ file, text: sample }], known).policy;
    const isSame = (name: string) => policy.guests.get(name) === before.guests.get(name);
    expect([isSame("g6"), isSame("g7"), isSame("g8"), isSame("g12")]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  it.each([
    ["no guest is left", "guests:\n"],
    ["all guests are another section's now", small.replace("guests:\n", "guests:\nnetworks:\n")],
  ])("holds no guest where %s", (_what, text) => {
    expect(reparseYaml({ file, text }, parsedOf(small))).toEqual(parseYaml({ file, text }).tree);
    expect(parsePolicy([{ file, text }], new Map([[file, parsedOf(small)]])).policy.guests).toEqual(
      new Map(),
    );
  });

  it.each([
    ["an anchor", "  a: &x {}\n"],
    ["two guests of one name", "  g3: {}\n"],
    ["the same section again", "host: {}\n"],
    ["a mistake", "  a: [\n"],
    ["a second document", "---\n"],
    ["brackets without end", `  a: ${"[".repeat(300)}\n`],
  ])("is read as a whole with %s", (_what, line) => {
    const text = sample.replace("guests:\n", `guests:\n${line}`);
    expect(reparseYaml({ file, text }, parsedOf(sample))).toBeUndefined();
  });

  it("is read as a whole where little is left of it", () => {
    const text = sample.replaceAll("192.0.2.1", "192.0.2.2");
    expect(reparseYaml({ file, text }, parsedOf(sample))).toBeUndefined();
  });
});

it("a text that is read entry by entry holds what it holds as a whole, at the same places", () => {
  let inPieces = 0;
  fc.assert(
    fc.property(edits, (changes) => {
      const text = edited(small, changes);
      const tree = parseInPieces({ file, text });
      if (tree === undefined) return;
      inPieces++;
      expect({ tree, problems: [] }).toEqual(parseYaml({ file, text }));
    }),
    { numRuns: 300 },
  );
  expect(inPieces).toBeGreaterThan(10);
});

it("pieces are the whole text", () => {
  const pieces = splitPieces(sample) ?? [];
  expect(pieces.map(({ text }) => text).join("")).toBe(sample);
  expect(pieces.map(({ path }) => path.join("/"))).toEqual([
    "host",
    "guests",
    ...guests.map((_, i) => `guests/g${i}`),
    "groups",
  ]);
});
