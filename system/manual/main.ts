/** Writes the manual pages into the folder that is named: `node dist/system/manual.js dist/man`. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import packageFile from "../../package.json" with { type: "json" };
import { readCommandTree } from "../../src/cli/command-tree.ts";
import { buildProgram } from "../../src/cli/program.ts";
import { printCommandPage, printPolicyPage, type Sources } from "./pages.ts";

const [folder = "dist/man"] = process.argv.slice(2);
const silent = { out: () => undefined, err: () => undefined };
const sources: Sources = {
  version: packageFile.version,
  program: readCommandTree(buildProgram(silent, () => undefined)),
  commands: readFileSync("docs/commands.md", "utf8"),
  policy: readFileSync("docs/policy.md", "utf8"),
};
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "virtwall.1"), printCommandPage(sources));
writeFileSync(join(folder, "virtwall-policy.5"), printPolicyPage(sources));
