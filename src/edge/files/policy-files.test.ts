import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sourceContract } from "../../ports/sources-contract.fake.ts";
import { PolicyFiles } from "./policy-files.ts";

let folder: string;
let main: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  main = join(folder, "policy.yaml");
});

afterEach(() => rm(folder, { recursive: true }));

sourceContract("policy files", async () => {
  const change = () => writeFile(main, "guests: {}\n");
  const source = new PolicyFiles(main);
  return {
    read: () => source.read(),
    watch: (listener) => source.watch(listener),
    change,
    close: () => undefined,
  };
});

test("no file at all is an empty policy", async () => {
  expect(await new PolicyFiles(join(folder, "nosuch/policy.yaml")).read()).toEqual([]);
});

test("the main file stands first, then the folder's by name, and nothing else", async () => {
  await mkdir(join(folder, "policy.d"));
  for (const name of ["b.yaml", "a.yaml", "a.yaml~", ".c.yaml", "readme.txt"]) {
    await writeFile(join(folder, "policy.d", name), name);
  }
  await writeFile(main, "main");
  const texts = await new PolicyFiles(main).read();
  expect(texts.map(({ text }) => text)).toEqual(["main", "a.yaml", "b.yaml"]);
});

test("a file in another spelling and a link to nothing are told, and nothing else", async () => {
  const others = join(folder, "policy.d");
  await mkdir(others);
  for (const name of ["a.yaml", "b.yml", "c.YAML", ".d.yml", "e.yaml~"]) {
    await writeFile(join(others, name), "");
  }
  await symlink("a.yaml", join(others, "f.yaml"));
  await symlink("nosuch", join(others, "g.yaml"));
  const files = new PolicyFiles(main);
  expect(files.passedOver).toEqual([]);
  expect(await files.read()).toHaveLength(2);
  expect(files.passedOver.map(({ at, message }) => `${at.file} ${message}`)).toEqual([
    `${join(others, "b.yml")} this file is not read: its name does not end in .yaml`,
    `${join(others, "c.YAML")} this file is not read: its name does not end in .yaml`,
    `${join(others, "g.yaml")} this file is not read: the link leads nowhere`,
  ]);
  await rm(others, { recursive: true });
  await files.read();
  expect(files.passedOver).toEqual([]);
});

test("a file that cannot be read is a refusal, not an empty policy", async () => {
  await mkdir(main);
  await expect(new PolicyFiles(main).read()).rejects.toThrow(`cannot read ${main}`);
});

test.each([
  ["a file that is replaced by rename", () => replace(main)],
  ["a folder that is made later, and a file in it", () => addLater("policy.d/more.yaml")],
])("%s is told", async (_name, act) => {
  await writeFile(main, "old");
  const source = new PolicyFiles(main);
  let count = 0;
  const stop = source.watch(() => count++);
  try {
    await act();
    await expect.poll(() => count).toBeGreaterThan(0);
    count = 0;
    await writeFile(main, "again");
    await expect.poll(() => count).toBeGreaterThan(0);
  } finally {
    stop();
  }
});

test("files in a folder that was made after the watch began are told too", async () => {
  const source = new PolicyFiles(main);
  let count = 0;
  const stop = source.watch(() => count++);
  try {
    await mkdir(join(folder, "policy.d"));
    await expect.poll(() => count).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    count = 0;
    await writeFile(join(folder, "policy.d", "late.yaml"), "guests: {}");
    await expect.poll(() => count).toBeGreaterThan(0);
  } finally {
    stop();
  }
});

async function replace(file: string): Promise<void> {
  await writeFile(`${file}.new`, "new");
  await rename(`${file}.new`, file);
}

async function addLater(name: string): Promise<void> {
  await mkdir(join(folder, "policy.d"));
  await writeFile(join(folder, name), "guests: {}");
}
