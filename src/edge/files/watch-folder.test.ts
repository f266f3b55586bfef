import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { watchFolder } from "./watch-folder.ts";

let folder: string;
let watched: string;
let count: number;
let stop: () => void;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "virtwall-"));
  watched = join(folder, "policy.d");
  count = 0;
});

afterEach(() => {
  stop();
  rmSync(folder, { recursive: true });
});

function watch(): void {
  stop = watchFolder(
    watched,
    () => count++,
    (name) => name.endsWith(".yaml"),
  );
}

/** A change in the folder that stands there now is told. */
async function expectChangeTold(): Promise<void> {
  const before = count;
  writeFileSync(join(watched, "a.yaml"), "");
  await expect.poll(() => count).toBeGreaterThan(before);
}

test.each([
  ["moved away", () => renameSync(watched, join(folder, "old"))],
  ["removed", () => rmSync(watched, { recursive: true })],
])(
  "a folder that is %s while another takes its place at once is followed there",
  async (_how, goes) => {
    mkdirSync(watched);
    watch();
    goes();
    mkdirSync(watched);
    await expect.poll(() => count).toBeGreaterThan(0);
    await expectChangeTold();
  },
);

test("a folder that is not there yet is waited for, however deep", async () => {
  watched = join(folder, "etc/virtwall/policy.d");
  watch();
  mkdirSync(watched, { recursive: true });
  await expect.poll(() => count).toBeGreaterThan(0);
  await expectChangeTold();
});

test("a folder is followed to where its path leads after a folder above it was replaced", async () => {
  watched = join(folder, "p/policy.d");
  mkdirSync(watched, { recursive: true });
  watch();
  renameSync(join(folder, "p"), join(folder, "old"));
  mkdirSync(watched, { recursive: true });
  await expect.poll(() => count).toBeGreaterThan(0);
  await expectChangeTold();
});

test("a folder is followed to where its path leads after a link on the way was replaced", async () => {
  for (const version of ["v1", "v2"])
    mkdirSync(join(folder, version, "policy.d"), { recursive: true });
  symlinkSync("v1", join(folder, "current"));
  watched = join(folder, "current/policy.d");
  watch();
  symlinkSync("v2", join(folder, "next"));
  renameSync(join(folder, "next"), join(folder, "current"));
  await expect.poll(() => count).toBeGreaterThan(0);
  await expectChangeTold();
});
