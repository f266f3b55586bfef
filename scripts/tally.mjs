// Usage: node scripts/tally.mjs [--files] REPORT [SECOND]
// Reads vitest's report of a tier, and that of a second run of the files that failed in it. Prints three numbers on a line (tests
// passed, failed, not run), then each test that failed ("failed: ...") or passed in the second run only ("unsteady: ...").
// With --files it prints the files that failed instead.
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  options: { files: { type: "boolean", default: false } },
  allowPositionals: true,
});
const [first, second = []] = positionals.map(
  (file) => JSON.parse(readFileSync(file, "utf8")).testResults,
);

/** What failed in a file, by name. A file that could not be loaded, or whose set-up failed, may hold no failed test itself. */
function failuresOf(file) {
  const name = relative(".", file.name);
  const failures = file.assertionResults
    .filter(({ status }) => status === "failed")
    .map((test) => [`${name}: ${test.fullName}`, test.failureMessages[0]]);
  const isBroken = file.status === "failed" && failures.length === 0;
  return isBroken ? [[name, file.message]] : failures;
}

if (values.files) {
  const failed = first.filter((file) => failuresOf(file).length > 0);
  for (const file of failed) console.log(relative(".", file.name));
} else {
  const again = new Map(second.map((file) => [file.name, file]));
  const last = first.map((file) => again.get(file.name) ?? file);
  const failed = new Map(last.flatMap(failuresOf));
  const unsteady = first.flatMap(failuresOf).filter(([name]) => !failed.has(name));
  const states = last.flatMap((file) => file.assertionResults.map(({ status }) => status));
  const passed = states.filter((status) => status === "passed").length;
  const notRun = states.filter((status) => status !== "passed" && status !== "failed").length;
  console.log(passed, failed.size, notRun);
  for (const [name, message] of failed) console.log(`failed: ${name}: ${firstLine(message)}`);
  for (const [name, message] of unsteady) console.log(`unsteady: ${name}: ${firstLine(message)}`);
}

function firstLine(message) {
  return String(message ?? "no message").split("\n")[0];
}
