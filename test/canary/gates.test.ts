import { stripVTControlCharacters } from "node:util";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

/**
 * A gate that passes everything looks like a gate that works. So each one is shown a tree with faults, planted in a copy and never in
 * the repository, and must name the faults that are its own and none that another gate watches for.
 */

const repository = join(import.meta.dirname, "../..");
const configuration = [
  ".dependency-cruiser.mjs",
  ".oxlintrc.json",
  ".prettierignore",
  ".prettierrc.json",
  "knip.json",
  "tsconfig.json",
  "vitest.config.ts",
];
const gates = ["format", "lint", "lockfile", "rooms", "tests", "types", "unused"];

const soundTree = {
  "package.json": `{
  "type": "module",
  "dependencies": {
    "koffi": "*"
  },
  "devDependencies": {
    "@types/node": "*",
    "typescript": "*",
    "vitest": "*"
  }
}
`,
  "package-lock.json": `{ "packages": { "node_modules/vitest": { "version": "1.0.0" } } }`,
  "src/base/length.ts": "export const length = 2;\n",
  "src/base/length.test.ts": testOf("base", "length", 2),
  "src/gate/main.ts": 'import { load } from "koffi";\n\nconsole.log(load);\n',
  "src/edge/tree.ts": 'export { spawn as tree } from "node:child_process";\n',
  "src/cli/main.ts":
    'import { length } from "../base/length.ts";\n' +
    'import { tree } from "../edge/tree.ts";\n\n' +
    "console.log(length, tree);\n",
};

const plantedFaults = {
  "package-lock.json": `{ "packages": { "node_modules/vitest": { "resolved": "https://x.example/" } } }`,
  // format
  "src/base/untidy.ts": "export   const untidy = 1\n",
  // types
  "src/base/mistyped.ts": 'export const mistyped: number = "one";\n',
  // unused
  "src/base/idle.ts": "export const idle = 1;\n",
  // tests
  "src/base/wrong.ts": "export const wrong = 1;\n",
  "src/base/wrong.test.ts": testOf("base", "wrong", 2),
  // lint
  "src/base/clock.ts": "export const clock = (): number => Date.now();\n",
  "src/base/dice.ts": "export const dice = (): number => Math.random();\n",
  "src/model/environment.ts": 'export const environment = process.env["HOME"];\n',
  "src/edge/forgotten.ts":
    "const later = (): Promise<void> => Promise.resolve();\n\n" +
    "export function forgotten(): void {\n  later();\n}\n",
  "src/edge/anything.ts": "export const anything = (value: any): unknown => value;\n",
  "src/edge/certain.ts": "export const certain = (list: readonly number[]): number => list[0]!;\n",
  "src/edge/nameless.ts":
    "const nameless = 1;\n\nexport { nameless };\n\nexport default nameless;\n",
  "src/edge/postponed.ts": "// TODO later\nexport const postponed = 1;\n",
  "src/edge/crowded.ts":
    "export const crowded = (a: number, b: number, c: number, d: number): number => a + b + c + d;\n",
  "src/edge/tangled.ts": tangled(),
  // rooms
  "src/model/intent.ts": "export interface Intent {\n  readonly name: string;\n}\n",
  "src/nft/knows-model.ts":
    'import type { Intent } from "../model/intent.ts";\n\n' +
    "export const knowsModel = (intent: Intent): string => intent.name;\n",
  "src/compile/reads-files.ts": 'export { readFileSync as readsFiles } from "node:fs";\n',
  "src/daemon/runs-programs.ts": 'export { spawn as runsPrograms } from "node:child_process";\n',
  "src/daemon/calls-libnftables.ts": 'export { load as callsLibnftables } from "koffi";\n',
  "src/ports/kernel.fake.ts": "export const kernelFake = 1;\n",
  "src/reconcile/takes-fake.ts":
    'export { kernelFake as takesFake } from "../ports/kernel.fake.ts";\n',
  "src/strange/stray.ts": "export const stray = 1;\n",
  "src/strange/lone.ts": "console.log(1);\n",
  "src/edge/egg.ts": 'import { hen } from "./hen.ts";\n\nexport const egg = (): unknown => hen;\n',
  "src/edge/hen.ts": 'import { egg } from "./egg.ts";\n\nexport const hen = (): unknown => egg;\n',
  // A user of all that should not count as unused.
  "src/cli/all.test.ts":
    [
      ["base/untidy", "untidy"],
      ["base/mistyped", "mistyped"],
      ["base/clock", "clock"],
      ["base/dice", "dice"],
      ["model/environment", "environment"],
      ["edge/forgotten", "forgotten"],
      ["edge/anything", "anything"],
      ["edge/certain", "certain"],
      ["edge/postponed", "postponed"],
      ["edge/crowded", "crowded"],
      ["edge/tangled", "tangled"],
      ["nft/knows-model", "knowsModel"],
      ["compile/reads-files", "readsFiles"],
      ["daemon/runs-programs", "runsPrograms"],
      ["daemon/calls-libnftables", "callsLibnftables"],
      ["reconcile/takes-fake", "takesFake"],
      ["strange/stray", "stray"],
      ["edge/egg", "egg"],
      ["edge/hen", "hen"],
    ]
      .map(([file, name]) => `export { ${name} } from "../${file}.ts";\n`)
      .join("") +
    'export { default as unnamed, nameless } from "../edge/nameless.ts";\n' +
    'import { test } from "vitest";\n\ntest("is a test", () => {});\n',
};

function testOf(room: string, name: string, value: number): string {
  return (
    'import { expect, test } from "vitest";\n' +
    `import { ${name} } from "../${room}/${name}.ts";\n\n` +
    `test("has its value", () => {\n  expect(${name}).toBe(${value});\n});\n`
  );
}

function tangled(): string {
  const branches = Array.from({ length: 16 }, (_, i) => `  if (n === ${i}) return ${i + 1};\n`);
  return `export function tangled(n: number): number {\n${branches.join("")}  return 0;\n}\n`;
}

const folders: string[] = [];

function plant(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), "virtwall-canary-"));
  folders.push(root);
  for (const name of configuration) cpSync(join(repository, name), join(root, name));
  cpSync(join(repository, "test/setup"), join(root, "test/setup"), { recursive: true });
  symlinkSync(join(repository, "node_modules"), join(root, "node_modules"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

interface Report {
  readonly status: number | null;
  readonly text: string;
  /** The output of each gate that failed. */
  readonly failed: Readonly<Record<string, string>>;
}

function check(root: string): Report {
  const script = join(repository, "scripts/check.mjs");
  const { status, stdout: painted } = spawnSync(
    process.execPath,
    [script, "--root", root, ...gates],
    {
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" },
    },
  );
  // With CI set, oxlint paints whatever NO_COLOR says.
  const stdout = stripVTControlCharacters(painted);
  const [lines = "", ...sections] = stdout.split(/\n--- (?=\w+ ---\n)/);
  const failed = Object.fromEntries(
    sections.map((section) => [section.split(" ")[0], section] as const),
  );
  const named = [...lines.matchAll(/^FAILED (\w+)/gm)].map(([, name = ""]) => name);
  expect(Object.keys(failed).toSorted()).toEqual(named.toSorted());
  return { status, text: stdout, failed };
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

test("every gate passes a sound tree", () => {
  const report = check(plant(soundTree));
  expect(report.failed, report.text).toEqual({});
  expect(report.status).toBe(0);
});

describe("in a tree with one fault of each kind", () => {
  let report: Report;
  beforeAll(() => {
    report = check(plant({ ...soundTree, ...plantedFaults }));
  });

  const outputOf = (gate: string): string => report.failed[gate] ?? `gate ${gate} passed`;
  const filesNamedBy = (gate: string): string[] => {
    const names = outputOf(gate).matchAll(/\bsrc\/[a-z-]+\/[a-z.-]+\.ts\b/g);
    return [...new Set([...names].map(([name]) => name))].toSorted();
  };

  test("every gate fails", () => {
    expect(Object.keys(report.failed).toSorted()).toEqual(gates.toSorted());
    expect(report.status).toBe(1);
  });

  test("format names the untidy file alone", () => {
    expect(filesNamedBy("format")).toEqual(["src/base/untidy.ts"]);
  });

  test("types names the mistyped file alone", () => {
    expect(filesNamedBy("types")).toEqual(["src/base/mistyped.ts"]);
  });

  test("unused names the export and the file that nobody takes alone", () => {
    expect(filesNamedBy("unused")).toEqual(["src/base/idle.ts", "src/strange/lone.ts"]);
  });

  test("tests names the failing test alone", () => {
    const failures = outputOf("tests").matchAll(/FAIL .*?(src\/\S+)/g);
    expect([...new Set([...failures].map(([, file]) => file))]).toEqual(["src/base/wrong.test.ts"]);
  });

  test("lockfile names the package with a registry's address", () => {
    expect(outputOf("lockfile")).toContain('"resolved" in node_modules/vitest');
  });

  test("lint reports each fault by its own rule and nothing else", () => {
    const found = outputOf("lint").matchAll(/(\S+\([a-z/-]+\)):[\s\S]*?(src\/[^:]+):/g);
    expect([...found].map(([, rule, file]) => `${file} ${rule}`).toSorted()).toEqual([
      "src/base/clock.ts eslint(no-restricted-globals)",
      "src/base/dice.ts eslint(no-restricted-properties)",
      "src/edge/anything.ts typescript(no-explicit-any)",
      "src/edge/certain.ts typescript(no-non-null-assertion)",
      "src/edge/crowded.ts eslint(max-params)",
      "src/edge/forgotten.ts typescript(no-floating-promises)",
      "src/edge/nameless.ts import(no-default-export)",
      "src/edge/postponed.ts eslint(no-warning-comments)",
      "src/edge/tangled.ts eslint(complexity)",
      "src/model/environment.ts eslint(no-restricted-globals)",
    ]);
  });

  test("rooms reports each forbidden import by its own rule and nothing else", () => {
    const found = outputOf("rooms").matchAll(/error ([a-z-]+): (\S+)/g);
    expect([...new Set([...found].map(([, rule, file]) => `${file} ${rule}`))].toSorted()).toEqual([
      "src/cli/all.test.ts every-file-has-a-room",
      "src/compile/reads-files.ts pure-rooms-touch-nothing",
      "src/daemon/calls-libnftables.ts only-the-gate-calls-libnftables",
      "src/daemon/runs-programs.ts only-edge-runs-programs",
      "src/edge/egg.ts no-cycles",
      "src/nft/knows-model.ts room-nft",
      "src/reconcile/takes-fake.ts fakes-stay-in-tests",
      "src/strange/lone.ts every-file-has-a-room",
    ]);
  });
});
