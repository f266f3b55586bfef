import {
  constants,
  copyFile,
  link,
  lstat,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { join, relative } from "node:path";
import { writeAtomically } from "../files/write-atomically.ts";
import { HookFileError } from "./hook-files.ts";
import { hookMark } from "./hook-script.ts";

export interface ClassicHook {
  readonly file: string;
  readonly text: string;
}

/** Scripts of the admin's own that libvirt calls for guests: `qemu` and what can be run in `qemu.d`, ours aside. */
export async function readClassicHooks(hooksFolder: string): Promise<readonly ClassicHook[]> {
  return attempt(async () => {
    const folder = join(hooksFolder, "qemu.d");
    const names: readonly string[] = await readdir(folder).catch(ifMissing([]));
    const files = [join(hooksFolder, "qemu"), ...names.map((name) => join(folder, name))];
    const hooks = await Promise.all(files.map(readScript));
    return hooks.flatMap((hook) => (hook === undefined || isOurs(hook) ? [] : [hook]));
  });
}

/** `hooks.json` of libvirt-hook-qemu, which its script reads where it stands. */
export async function readHooksJsonFile(hooksFolder: string): Promise<ClassicHook | undefined> {
  const file = join(hooksFolder, "hooks.json");
  return attempt(async () => {
    const text = await textOf(file);
    return text === undefined ? undefined : { file, text };
  });
}

/** Where a script goes that is retired: beside the folder of libvirt's hooks, where libvirt runs nothing. `qemu.d-NAME` was in `qemu.d`. */
export function retiredFile(hooksFolder: string, { file }: ClassicHook): string {
  const name = relative(hooksFolder, file).replaceAll("/", "-");
  return join(hooksFolder, `${name}.retired-by-virtwall`);
}

/** The places of those scripts where another one stands already. */
export async function takenAsides(
  hooksFolder: string,
  hooks: readonly ClassicHook[],
): Promise<readonly string[]> {
  return attempt(async () => {
    const texts = await Promise.all(hooks.map((hook) => textOf(retiredFile(hooksFolder, hook))));
    return hooks.flatMap((hook, index) =>
      [undefined, hook.text].includes(texts[index]) ? [] : [retiredFile(hooksFolder, hook)],
    );
  });
}

/**
 * Moves the script aside and leaves a note in its place, which does nothing: libvirt (9.0, 11.3 virhook.c) goes by what it found at its
 * start, and refuses to start a guest whose script has gone since. The function returned puts it back, byte for byte, with its mode and
 * owner, and a link as a link. A place aside where another script stands is refused.
 */
export async function retireHook(
  hooksFolder: string,
  hook: ClassicHook,
): Promise<() => Promise<void>> {
  const { file } = hook;
  const aside = retiredFile(hooksFolder, hook);
  return attempt(async () => {
    const target = (await lstat(file)).isSymbolicLink() ? await readlink(file) : undefined;
    const isThere = (await textOf(aside)) === hook.text;
    if (!isThere && target === undefined) await link(file, aside);
    if (!isThere && target !== undefined) await copyFile(file, aside, constants.COPYFILE_EXCL);
    const forget = (): Promise<void> => (isThere ? Promise.resolve() : rm(aside, { force: true }));
    try {
      await writeAtomically(file, noteFor(aside));
    } catch (error) {
      await forget();
      throw error;
    }
    return () =>
      attempt(async () => {
        if (!isThere && target === undefined) return rename(aside, file);
        // Not in the folder of a driver, where libvirt would run it.
        const temporary = join(hooksFolder, `.retired.${process.pid}.new`);
        await (target === undefined ? copyFile(aside, temporary) : symlink(target, temporary));
        await rename(temporary, file);
        await forget();
      });
  });
}

async function textOf(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch(ifMissing(undefined));
}

function noteFor(aside: string): string {
  return (
    "#!/bin/sh\n" +
    "# Retired by virtwall migrate: its forwards are publications in virtwall's policy.\n" +
    `# The script as it was: ${aside}\n` +
    "# This note may be removed once libvirt has been started anew.\n" +
    "exit 0\n"
  );
}

async function readScript(file: string): Promise<ClassicHook | undefined> {
  const found = await stat(file).catch(ifMissing(undefined));
  if (!found?.isFile() || (found.mode & 0o111) === 0) return undefined;
  return { file, text: await readFile(file, "utf8") };
}

function isOurs({ text }: ClassicHook): boolean {
  return text.split("\n", 2)[1]?.startsWith(hookMark) === true;
}

function ifMissing<Value>(value: Value): (error: NodeJS.ErrnoException) => Value {
  return (error) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return value;
    throw error;
  };
}

async function attempt<Value>(action: () => Promise<Value>): Promise<Value> {
  try {
    return await action();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === undefined) throw cause;
    throw new HookFileError((cause as Error).message, { cause });
  }
}
