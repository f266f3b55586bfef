import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { trixieRoot } from "../../../lab/trixie.ts";
import { assertPrivateNamespace } from "../private-namespace.ts";
import { mustRun } from "../../../lab/run-program.ts";

/**
 * Debian 13 with other programs' firewalls, to be run on the host of a world. What they write goes into a layer of its own that ends
 * with the test's mount namespace.
 */
export class ForeignRoot {
  readonly folder: string;
  /** The network namespace in which its programs run. */
  readonly #namespace: string;
  readonly #started = new Set<ChildProcess>();

  private constructor(folder: string, namespace: string) {
    this.folder = folder;
    this.#namespace = namespace;
  }

  static async mount(namespace: string): Promise<ForeignRoot> {
    assertPrivateNamespace();
    const layer = await mkdtemp("/run/foreign-");
    const [upper, work, folder] = ["upper", "work", "root"].map((name) => join(layer, name)) as [
      string,
      string,
      string,
    ];
    for (const each of [upper, work, folder]) await mkdir(each);
    const options = `lowerdir=${await trixieRoot()},upperdir=${upper},workdir=${work}`;
    const mounts = [
      ["-t", "overlay", "overlay", "-o", options, folder],
      ["-t", "proc", "proc", join(folder, "proc")],
      ["--bind", "/dev", join(folder, "dev")],
      ["-t", "sysfs", "sysfs", join(folder, "sys")],
      ["-t", "cgroup2", "cgroup2", join(folder, "sys/fs/cgroup")],
      ["-t", "tmpfs", "tmpfs", join(folder, "run")],
    ];
    for (const words of mounts) await mustRun(["mount", ...words]);
    return new ForeignRoot(folder, namespace);
  }

  /** Runs a program to its end and gives its output; throws with its own words when it fails. */
  run(...argv: readonly string[]): Promise<string> {
    return mustRun(["ip", "netns", "exec", this.#namespace, "chroot", this.folder, ...argv]);
  }

  /** Resolves once a started program has said these words to its standard error. */
  said(child: ChildProcess, words: string): Promise<void> {
    let text = "";
    return new Promise((resolve, reject) => {
      child.stderr?.setEncoding("utf8").on("data", (more: string) => {
        text += more;
        if (text.includes(words)) resolve();
      });
      child.once("exit", () => reject(new Error(`it has ended: ${text}`)));
    });
  }

  /** Starts a program that stays. */
  start(...argv: readonly string[]): ChildProcess {
    const words = ["netns", "exec", this.#namespace, "chroot", this.folder, ...argv];
    const child = spawn("ip", words, { stdio: ["ignore", "ignore", "pipe"] });
    this.#started.add(child);
    child.once("exit", () => this.#started.delete(child));
    return child;
  }

  async write(file: string, text: string): Promise<void> {
    await writeFile(join(this.folder, file), text);
  }

  /** Ends what was started; the mounts end with the namespace. */
  async close(): Promise<void> {
    for (const child of this.#started) await endChild(child);
    await mustRun(["umount", "--recursive", "--lazy", this.folder]);
  }
}

export async function endChild(
  child: ChildProcess,
  signal: NodeJS.Signals = "SIGTERM",
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await ended;
}

/** Asks every few milliseconds; throws with the last refusal after twenty seconds. */
export async function untilDone<T>(ask: () => Promise<T>): Promise<T> {
  const end = Date.now() + 20_000;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > end) throw error;
      await setTimeout(50);
    }
  }
}
