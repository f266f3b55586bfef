import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { reasonOf } from "../../base/reason-of.ts";
import type { HookDriver } from "../../wire/hook-call.ts";
import { hookMark } from "./hook-script.ts";

export const defaultHooksFolder = "/etc/libvirt/hooks";

const fileName = "virtwall";

/** The machine does not let us read or write a hook, or it is not safe to. */
export class HookFileError extends Error {
  override readonly name = "HookFileError";
}

/** `foreign`: what stands at our file's path is somebody else's. `stale`: ours, but not as this version writes it. */
export type HookFileState = "installed" | "stale" | "foreign" | "missing";

export interface FoundHook {
  readonly file: string;
  readonly state: HookFileState;
  /** When libvirt must have started to have seen a hook of this driver, in ms since the epoch. Undefined where there is none. */
  readonly since?: number;
}

/**
 * Our hook of one driver: a file of our own in libvirt's folder of hooks, `<driver>.d`, beside whatever the admin has there. libvirt
 * (9.0 virhook.c) runs each executable file there, after the file `<driver>` itself.
 */
export class HookFile {
  readonly #hooks: string;
  readonly #driver: HookDriver;
  readonly #script: string;

  constructor(hooksFolder: string, driver: HookDriver, script: string) {
    this.#hooks = hooksFolder;
    this.#driver = driver;
    this.#script = script;
  }

  get #folder(): string {
    return join(this.#hooks, `${this.#driver}.d`);
  }

  get #file(): string {
    return join(this.#folder, fileName);
  }

  async find(): Promise<FoundHook> {
    return attempt(`cannot read ${this.#file}`, async () => {
      const [state, since] = await Promise.all([this.#state(), this.#since()]);
      return { file: this.#file, state, ...(since !== undefined && { since }) };
    });
  }

  /** Throws {@link HookFileError} where the folder is not safe or somebody else's file has our name. */
  async install(): Promise<void> {
    await attempt(`cannot write ${this.#file}`, async () => {
      for (const folder of [this.#hooks, this.#folder]) {
        await mkdir(folder, { recursive: true, mode: 0o755 });
        await refuseUnsafe(folder);
      }
      const state = await this.#state();
      if (state === "foreign") throw new HookFileError(`${this.#file} is not ours: move it away`);
      if (state !== "installed") await this.#write(state === "stale");
    });
  }

  /** Takes our file away and, if nothing else is in it, the folder. */
  async uninstall(): Promise<void> {
    await attempt(`cannot remove ${this.#file}`, async () => {
      const state = await this.#state();
      if (state === "missing" || state === "foreign") return;
      await rm(this.#file);
      await rmdir(this.#folder).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
      });
    });
  }

  async #state(): Promise<HookFileState> {
    const found = await ifThere(lstat(this.#file));
    if (!found) return "missing";
    if (!found.isFile()) return "foreign";
    const text = await readFile(this.#file, "utf8");
    if (!text.split("\n", 2)[1]?.startsWith(hookMark)) return "foreign";
    return text === this.#script && (found.mode & 0o7777) === 0o755 ? "installed" : "stale";
  }

  /**
   * libvirt asks at its start whether there is any hook of a driver, and what it found out then decides whether it ever looks into the
   * folder. So any hook counts. Ours bears the time of its first installation as its mtime; others may have been written at any time
   * before their ctime.
   */
  async #since(): Promise<number | undefined> {
    const names = (await ifThere(readdir(this.#folder))) ?? [];
    const files = [
      join(this.#hooks, this.#driver),
      ...names.map((name) => join(this.#folder, name)),
    ];
    const times = await Promise.all(
      files.map(async (file) => {
        const found = await ifThere(stat(file));
        if (!found?.isFile() || (found.mode & 0o111) === 0) return Infinity;
        const isOurs = file === this.#file && (await this.#state()) !== "foreign";
        return isOurs ? found.mtimeMs : found.ctimeMs;
      }),
    );
    const first = Math.min(...times);
    return first === Infinity ? undefined : first;
  }

  /** At no moment is there half a file, or one that libvirt would run under another name: it is made beside the folder. */
  async #write(keepTime: boolean): Promise<void> {
    const temporary = join(this.#hooks, `.${this.#driver}.${process.pid}.new`);
    try {
      await writeFile(temporary, this.#script, { mode: 0o700, flag: "wx" });
      await chmod(temporary, 0o755);
      const old = keepTime ? await ifThere(stat(this.#file)) : undefined;
      if (old) await utimes(temporary, old.atime, old.mtime);
      await rename(temporary, this.#file);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }
}

/** All of them, or none that was not there before. Throws {@link HookFileError}. */
export async function installHooks(hooks: readonly HookFile[]): Promise<void> {
  const fresh: HookFile[] = [];
  try {
    for (const hook of hooks) {
      const { state } = await hook.find();
      await hook.install();
      if (state === "missing") fresh.push(hook);
    }
  } catch (error) {
    for (const hook of fresh) await hook.uninstall();
    throw error;
  }
}

/** Whoever can write here runs programs as root. */
async function refuseUnsafe(folder: string): Promise<void> {
  const { mode, uid } = await stat(folder);
  if (uid !== process.getuid?.()) throw new HookFileError(`${folder} belongs to another user`);
  if ((mode & 0o022) !== 0) throw new HookFileError(`${folder} can be written by others`);
}

async function ifThere<Value>(value: Promise<Value>): Promise<Value | undefined> {
  try {
    return await value;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

async function attempt<Value>(what: string, action: () => Promise<Value>): Promise<Value> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof HookFileError || (cause as NodeJS.ErrnoException).code === undefined) {
      throw cause;
    }
    throw new HookFileError(`${what}: ${reasonOf(cause)}`, { cause });
  }
}
