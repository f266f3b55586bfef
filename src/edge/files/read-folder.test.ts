import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readFolder, readText } from "./read-folder.ts";

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  file = join(folder, "a.xml");
});

afterEach(() => rm(folder, { recursive: true }));

test("files of one kind are read in order of name, links too", async () => {
  await writeFile(join(folder, "b.xml"), "b");
  await writeFile(join(folder, "c.txt"), "c");
  await symlink("b.xml", file);
  await symlink("nosuch", join(folder, "dangling.xml"));
  expect((await readFolder(folder, ".xml")).map(({ text }) => text)).toEqual(["b", "b"]);
  expect(await readFolder(join(folder, "nosuch"), ".xml")).toEqual([]);
});

test.each([
  ["a pipe", () => Promise.resolve(spawnSync("mkfifo", [file])), "not a regular file"],
  ["a device", () => symlink("/dev/zero", file), "not a regular file"],
  ["a folder", () => mkdir(file), "not a regular file"],
  ["a file that is too large", () => makeLarge(), "larger than 64 MiB"],
])("%s is refused at once", async (_name, make, words) => {
  await make();
  expect(() => readText(file)).toThrow(`cannot read ${file}: ${words}`);
  await expect(readFolder(folder, ".xml")).rejects.toThrow(`cannot read ${file}: ${words}`);
});

async function makeLarge(): Promise<void> {
  await writeFile(file, "");
  await truncate(file, 65 << 20);
}
