import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

import { projectRoot } from "../../lab/project-root.ts";
import { mustRun, runProgram } from "../../lab/run-program.ts";

const units = join(projectRoot(), "system/units");
const names = (await readdir(units)).filter((name) => name.endsWith(".service"));
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "virtwall-units-"));
  for (const name of names) {
    const text = await readFile(join(units, name), "utf8");
    // The command is not installed here, nor are its pages.
    await writeFile(join(folder, name), text.replaceAll("/usr/bin/virtwall", "/bin/true"));
  }
});

afterEach(() => rm(folder, { recursive: true }));

test("systemd finds nothing wrong with the units", async () => {
  const said = await runProgram([
    "systemd-analyze",
    "verify",
    "--man=no",
    ...names.map((n) => join(folder, n)),
  ]);
  expect(said).toEqual({ status: 0, stdout: "", stderr: "" });
});

test.each(names)(
  "%s may do so little that systemd calls its exposure less than 3",
  async (name) => {
    const words = ["security", "--offline=yes", "--threshold=30", join(folder, name)];
    const said = await runProgram(["systemd-analyze", ...words]);
    expect(said.stdout).toMatch(/Overall exposure level/);
    expect(said.status).toBe(0);
  },
);

test("the gate may do nothing but change the network's settings", async () => {
  const words = ["security", "--offline=yes", "--json=short"];
  const gate = join(folder, "virtwall-gate.service");
  const json = await mustRun(["systemd-analyze", ...words, gate]);
  const rows = JSON.parse(json) as { json_field: string; set: boolean | null }[];
  const held = rows.filter(
    ({ json_field, set }) => json_field.startsWith("CapabilityBoundingSet_") && set === false,
  );
  expect(held.map(({ json_field }) => json_field)).toEqual(["CapabilityBoundingSet_CAP_NET_ADMIN"]);
});
