import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readClassicHooks, retiredFile, retireHook, takenAsides } from "./classic-hooks.ts";
import { HookFileError } from "./hook-files.ts";

let hooks: string;

beforeEach(async () => {
  hooks = await mkdtemp(join(tmpdir(), "virtwall-"));
  await mkdir(join(hooks, "qemu.d"));
  await writeFile(join(hooks, "qemu"), "#!/bin/sh\necho one\n", { mode: 0o750 });
  await writeFile(join(hooks, "qemu.d/qemu"), "#!/bin/sh\necho two\n", { mode: 0o755 });
});

afterEach(() => rm(hooks, { recursive: true }));

const read = (name: string) => readFile(join(hooks, name), "utf8");

test("scripts of the same name go aside each for itself, with their modes, and come back", async () => {
  const found = await readClassicHooks(hooks);
  const undo: (() => Promise<void>)[] = [];
  for (const hook of found) undo.push(await retireHook(hooks, hook));
  expect(await read("qemu.retired-by-virtwall")).toBe("#!/bin/sh\necho one\n");
  expect(await read("qemu.d-qemu.retired-by-virtwall")).toBe("#!/bin/sh\necho two\n");
  expect((await stat(join(hooks, "qemu.retired-by-virtwall"))).mode & 0o7777).toBe(0o750);
  expect((await stat(join(hooks, "qemu"))).mode & 0o7777).toBe(0o750);
  expect(await read("qemu")).toContain("Retired by virtwall");
  for (const back of undo) await back();
  expect(await readdir(hooks)).toEqual(["qemu", "qemu.d"]);
  expect(await readClassicHooks(hooks)).toEqual(found);
});

test("a copy of another script is named, and not overwritten", async () => {
  const [hook = { file: "", text: "" }] = await readClassicHooks(hooks);
  const aside = retiredFile(hooks, hook);
  await writeFile(aside, "older\n");
  expect(await takenAsides(hooks, [hook])).toEqual([aside]);
  await expect(retireHook(hooks, hook)).rejects.toThrow(HookFileError);
  expect(await readFile(aside, "utf8")).toBe("older\n");
  expect(await readFile(hook.file, "utf8")).toBe(hook.text);
});

test("a copy of the same script is no obstacle, and stays when it comes back", async () => {
  const [hook = { file: "", text: "" }] = await readClassicHooks(hooks);
  const aside = retiredFile(hooks, hook);
  await writeFile(aside, hook.text);
  expect(await takenAsides(hooks, [hook])).toEqual([]);
  const back = await retireHook(hooks, hook);
  await back();
  expect(await readFile(aside, "utf8")).toBe(hook.text);
});

test("a script comes back byte for byte and as the same file, and a link as a link", async () => {
  const bytes = Buffer.from("#!/bin/sh\n# f\xfcr alle\n", "latin1");
  const [plain, linked] = [join(hooks, "qemu"), join(hooks, "qemu.d/qemu")];
  await writeFile(plain, bytes);
  await rename(linked, join(hooks, "kept"));
  await symlink("../kept", linked);
  const { ino } = await stat(plain);
  const undo: (() => Promise<void>)[] = [];
  for (const hook of await readClassicHooks(hooks)) undo.push(await retireHook(hooks, hook));
  expect(await read("qemu.d/qemu")).toContain("Retired by virtwall");
  expect(await read("qemu.d-qemu.retired-by-virtwall")).toBe("#!/bin/sh\necho two\n");
  for (const back of undo) await back();
  expect(await readFile(plain)).toEqual(bytes);
  expect((await stat(plain)).ino).toBe(ino);
  expect(await readlink(linked)).toBe("../kept");
  expect(await readdir(hooks)).toEqual(["kept", "qemu", "qemu.d"]);
});
