import { spawnSync } from "node:child_process";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeAtomically, writeThroughLink } from "./write-atomically.ts";

test("a link stays one, and the file that it leads to is written; one that leads nowhere gives way", async () => {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  try {
    const [file, link] = [join(folder, "kept/policy.yaml"), join(folder, "policy.yaml")];
    await mkdir(join(folder, "kept"));
    await writeFile(file, "old");
    await symlink("kept/policy.yaml", link);
    await writeThroughLink(link, "new");
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await readFile(file, "utf8")).toBe("new");
    expect(await readdir(join(folder, "kept"))).toEqual(["policy.yaml"]);
    await rm(file);
    await writeThroughLink(link, "again");
    expect(await readFile(link, "utf8")).toBe("again");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("what a process that was killed has left goes, and nothing of one that runs", async () => {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  try {
    const ended = spawnSync("true").pid;
    const others = [
      `.policy.yaml.${process.ppid}.new`,
      `.other.yaml.${ended}.new`,
      ".policy.yaml.x",
    ];
    for (const name of [`.policy.yaml.${ended}.new`, ...others]) {
      await writeFile(join(folder, name), "half");
    }
    await writeAtomically(join(folder, "policy.yaml"), "whole");
    expect((await readdir(folder)).toSorted()).toEqual([...others, "policy.yaml"].toSorted());
  } finally {
    await rm(folder, { recursive: true });
  }
});
