import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HookFile, HookFileError, installHooks } from "./hook-files.ts";
import { hookMark } from "./hook-script.ts";

const script = `#!/bin/sh\n${hookMark}, written by a test.\n`;

let hooks: string;
let ours: string;
let hook: HookFile;

beforeEach(async () => {
  hooks = join(await mkdtemp(join(tmpdir(), "virtwall-")), "hooks");
  ours = join(hooks, "qemu.d/virtwall");
  hook = new HookFile(hooks, "qemu", script);
});

afterEach(() => rm(join(hooks, ".."), { recursive: true }));

test("installing makes the folder and an executable file, twice as once, and nothing else", async () => {
  expect(await hook.find()).toEqual({ file: ours, state: "missing" });
  await hook.install();
  const before = await stat(ours);
  await hook.install();
  expect((await stat(ours)).ino).toBe(before.ino);
  expect(await readFile(ours, "utf8")).toBe(script);
  expect(before.mode & 0o7777).toBe(0o755);
  expect(await readdir(hooks)).toEqual(["qemu.d"]);
  expect(await readdir(join(hooks, "qemu.d"))).toEqual(["virtwall"]);
  expect(await hook.find()).toMatchObject({ state: "installed", since: before.mtimeMs });
});

test("one of another version, or that cannot be run, is stale; a new one keeps the time since when it is there", async () => {
  await new HookFile(hooks, "qemu", `${script}# older\n`).install();
  await utimes(ours, 1000, 1000);
  expect(await hook.find()).toMatchObject({ state: "stale", since: 1_000_000 });
  await hook.install();
  expect(await hook.find()).toMatchObject({ state: "installed", since: 1_000_000 });
  await chmod(ours, 0o644);
  expect(await hook.find()).toEqual({ file: ours, state: "stale" });
  await hook.install();
  expect(await hook.find()).toMatchObject({ state: "installed", since: 1_000_000 });
});

test("hooks of which one cannot be installed are not installed, and those that were there stay", async () => {
  const other = new HookFile(hooks, "network", script);
  await mkdir(join(hooks, "network.d"), { recursive: true });
  await writeFile(join(hooks, "network.d/virtwall"), "#!/bin/sh\n");
  await expect(installHooks([hook, other])).rejects.toThrow("is not ours");
  expect(await readdir(hooks)).toEqual(["network.d"]);
  await hook.install();
  await expect(installHooks([hook, other])).rejects.toThrow("is not ours");
  expect(await hook.find()).toMatchObject({ state: "installed" });
});

test("what the machine refuses is said with the file and the reason alone", async () => {
  await mkdir(join(hooks, "qemu.d"), { recursive: true });
  await writeFile(join(hooks, `.qemu.${process.pid}.new`), "");
  await expect(hook.install()).rejects.toThrow(`cannot write ${ours}: file already exists`);
});

test("uninstalling leaves nothing of ours, and the admin's hooks", async () => {
  await mkdir(join(hooks, "qemu.d"), { recursive: true });
  await writeFile(join(hooks, "qemu"), "#!/bin/sh\n", { mode: 0o755 });
  await writeFile(join(hooks, "qemu.d/50-own"), "#!/bin/sh\n", { mode: 0o755 });
  await hook.install();
  await hook.uninstall();
  await hook.uninstall();
  expect(await readdir(join(hooks, "qemu.d"))).toEqual(["50-own"]);
  await rm(join(hooks, "qemu.d/50-own"));
  await hook.install();
  await hook.uninstall();
  expect(await readdir(hooks)).toEqual(["qemu"]);
});

test("a hook of the admin's is a reason why libvirt looks for ours too, unless it cannot be run", async () => {
  await mkdir(hooks);
  await writeFile(join(hooks, "qemu"), "#!/bin/sh\n", { mode: 0o644 });
  expect(await hook.find()).not.toHaveProperty("since");
  await chmod(join(hooks, "qemu"), 0o755);
  const { ctimeMs } = await stat(join(hooks, "qemu"));
  await hook.install();
  expect(await hook.find()).toMatchObject({ since: ctimeMs });
});

test.each([
  ["a file", (file: string) => writeFile(file, "#!/bin/sh\nexit 0\n")],
  ["a folder", (file: string) => mkdir(file)],
  ["a link to one of ours", (file: string) => symlink("/tmp/virtwall-elsewhere", file)],
])("%s of somebody else's under our name is left alone", async (_name, make) => {
  await mkdir(join(hooks, "qemu.d"), { recursive: true });
  await make(ours);
  expect(await hook.find()).toMatchObject({ state: "foreign" });
  await expect(hook.install()).rejects.toThrow("is not ours");
  await hook.uninstall();
  expect(await hook.find()).toMatchObject({ state: "foreign" });
});

test("a folder that others can write to is refused: they would run programs as root", async () => {
  await mkdir(join(hooks, "qemu.d"), { recursive: true });
  await chmod(join(hooks, "qemu.d"), 0o775);
  await expect(hook.install()).rejects.toThrow(HookFileError);
  await chmod(join(hooks, "qemu.d"), 0o755);
  await chmod(hooks, 0o777);
  await expect(hook.install()).rejects.toThrow("can be written by others");
});

test("a folder that cannot be made is a refusal", async () => {
  await writeFile(hooks, "");
  await expect(hook.install()).rejects.toThrow(HookFileError);
  expect(await hook.find()).toMatchObject({ state: "missing" });
});
