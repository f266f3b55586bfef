import { mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StateError } from "../../ports/state.ts";
import { BootRuleset } from "./boot-ruleset.ts";
import { Unconfirmed } from "./unconfirmed.ts";

const old = "add table inet virtwall\nadd chain inet virtwall old\n";
const fresh = "add table inet virtwall\nadd chain inet virtwall fresh\n";
const texts = { policy: [], ownFilters: [] };

let folder: string;
let ruleset: BootRuleset;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  ruleset = new BootRuleset(folder);
});

afterEach(() => rm(folder, { recursive: true }));

const load = () => ruleset.load();

test("what was saved is loaded", async () => {
  expect(await load()).toBeUndefined();
  await ruleset.save(old);
  expect(await load()).toBe(old);
});

test("what is saved again is not written again, and put right where it was spoilt", async () => {
  const file = join(folder, "boot.nft");
  const inode = async () => (await stat(file)).ino;
  await ruleset.save(old);
  const before = await inode();
  await ruleset.save(old);
  expect(await inode()).toBe(before);
  await writeFile(file, "spoilt");
  await ruleset.save(old);
  expect(await load()).toBe(old);
});

test.each([
  [
    "cut off at a line that nft would take",
    (text: string) => text.split("\n").slice(0, 2).join("\n"),
  ],
  ["with a letter that is another", (text: string) => text.replace("old", "new")],
  ["without its first line", (text: string) => text.split("\n").slice(1).join("\n")],
  ["emptied", () => ""],
])("a file %s is no ruleset", async (_what, spoil) => {
  await ruleset.save(old);
  const file = join(folder, "boot.nft");
  await writeFile(file, spoil(await readFile(file, "utf8")));
  await expect(load()).rejects.toThrow(StateError);
  await expect(load()).rejects.toThrow("is not as it was saved");
});

test("while a change waits for its confirmation, what it follows is kept; confirmed, it is gone", async () => {
  await ruleset.save(old);
  const unconfirmed = new Unconfirmed(folder);
  await unconfirmed.save({ id: "a", seconds: 60, before: texts });
  await ruleset.save(fresh);
  expect(await ruleset.loadKept()).toBe(old);
  await unconfirmed.confirm();
  expect(await readdir(folder)).toEqual(["boot.nft"]);
  expect(await load()).toBe(fresh);
});

test("what a change that is taken back follows counts again from the moment on at which nobody can confirm it", async () => {
  await ruleset.save(old);
  const unconfirmed = new Unconfirmed(folder);
  await unconfirmed.save({ id: "a", seconds: 60, before: texts });
  await ruleset.save(fresh);
  expect(await unconfirmed.take("another")).toBeUndefined();
  expect(await load()).toBe(fresh);
  await unconfirmed.take("a");
  expect(await load()).toBe(old);
  // The power fails, and it is taken back anew.
  await unconfirmed.take("a");
  expect(await load()).toBe(old);
  expect(await ruleset.loadKept()).toBe(old);
  await unconfirmed.clear();
  expect(await load()).toBe(old);
});

test("where nothing was in force before a change that is taken back, nothing is loaded", async () => {
  const unconfirmed = new Unconfirmed(folder);
  await unconfirmed.save({ id: "a", seconds: 60 });
  await ruleset.save(fresh);
  expect(await ruleset.loadKept()).toBeUndefined();
  await unconfirmed.take("a");
  expect(await load()).toBeUndefined();
});
