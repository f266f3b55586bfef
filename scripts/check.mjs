// Usage: node scripts/check.mjs [--root DIR] [--tally FILE] [GATE...]
// Runs the gates (all of them unless some are named) on the tree in DIR, two at a time, each a line with its time. The output of a
// gate that fails is printed in full. Exit status 1 if any failed.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  options: { root: { type: "string", default: "." }, tally: { type: "string" } },
  allowPositionals: true,
});
const root = resolve(values.root);
const report = join(tmpdir(), `virtwall-check-${process.pid}.json`);

/** Slow ones first, so that two at a time end together. */
const gates = {
  tests: [
    "vitest",
    "run",
    "--project=unit",
    "--project=cases",
    "--reporter=dot",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ],
  canary: ["vitest", "run", "--project=canary"],
  types: ["tsc", "-p", ".", "--incremental", "--tsBuildInfoFile", ".cache/tsbuildinfo"],
  rooms: [
    "depcruise",
    "--output-type",
    "err-long",
    ...present("src", "test", "lab", "bench", "system"),
  ],
  unused: ["knip", "--no-progress", "--no-config-hints"],
  format: [
    "prettier",
    "--check",
    "--cache",
    "--cache-location=.cache/prettier",
    "--log-level=warn",
    ".",
  ],
  lint: ["oxlint", "--type-aware", "--quiet"],
  lockfile: lockfileHoldsNoRegistry,
};

function present(...folders) {
  return folders.filter((folder) => existsSync(join(root, folder)));
}

/** `resolved` names the registry that a developer happened to use; whoever installs has another. */
function lockfileHoldsNoRegistry() {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const bad = Object.entries(lock.packages).filter(([, entry]) => "resolved" in entry);
  return bad.map(([name]) => `package-lock.json: "resolved" in ${name}; run npm install again`);
}

function run([program, ...args]) {
  return new Promise((done) => {
    const child = spawn(join(root, "node_modules/.bin", program), args, {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const output = [];
    child.stdout.on("data", (chunk) => output.push(chunk));
    child.stderr.on("data", (chunk) => output.push(chunk));
    child.on("error", (error) => done({ passed: false, output: error.message }));
    child.on("close", (status) =>
      done({ passed: status === 0, output: Buffer.concat(output).toString() }),
    );
  });
}

async function runGate(name) {
  const started = performance.now();
  const gate = gates[name];
  const lines = typeof gate === "function" ? gate() : undefined;
  const result = lines ? { passed: lines.length === 0, output: lines.join("\n") } : await run(gate);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${result.passed ? "ok    " : "FAILED"} ${name.padEnd(10)} ${seconds.padStart(5)} s`);
  return { name, ...result };
}

const names = positionals.length > 0 ? positionals : Object.keys(gates);
const unknown = names.filter((name) => !(name in gates));
if (unknown.length > 0) {
  console.error(`no such gate: ${unknown.join(", ")}; there are ${Object.keys(gates).join(", ")}`);
  process.exit(2);
}

const started = performance.now();
const waiting = [...names];
const results = [];
async function worker() {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    results.push(await runGate(name));
  }
}
await Promise.all(Array.from({ length: Math.max(2, availableParallelism() / 2) }, worker));

const failed = results.filter((result) => !result.passed);
for (const { name, output } of failed) console.log(`\n--- ${name} ---\n${output.trimEnd()}`);
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(
  `\ncheck: ${results.length - failed.length} of ${results.length} gates passed in ${seconds} s`,
);

if (values.tally !== undefined) {
  const tests = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : {};
  const passed = results.length - failed.length + (tests.numPassedTests ?? 0);
  const numbers = [passed, failed.length + (tests.numFailedTests ?? 0), 0];
  const lines = failed.map(({ name }) => `failed: gate ${name}`);
  writeFileSync(values.tally, [numbers.join(" "), ...lines, ""].join("\n"));
}
rmSync(report, { force: true });
process.exitCode = failed.length > 0 ? 1 : 0;
