import { existsSync } from "node:fs";
import { readFile, rm, stat } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { reasonOf } from "../../base/reason-of.ts";
import type { DriverSettings, NetworkDriver } from "../../ports/network-driver.ts";
import { NetworkError } from "../../ports/networks.ts";
import { writeAtomically, writeThroughLink } from "../files/write-atomically.ts";
import { findProcesses, type FoundProcess } from "../host/find-processes.ts";
import { ProgramError, runApart } from "../host/run-apart.ts";

const settingsFile = "/etc/libvirt/network.conf";
/** Bytes stay what they are, whoever has written comments in whatever encoding: one byte is one character. */
const encoding = "latin1";
/** As sd_booted(3) tells. */
const systemdFolder = "/run/systemd/system";
/** libvirtd waits up to half a minute for its workers before it ends. */
const timeoutMs = 90_000;
const patienceMs = 30_000;

/** libvirt's network driver on this machine: a daemon of its own, or libvirt in one piece. */
export class LibvirtDriver implements NetworkDriver {
  readonly #uri: string;

  constructor(uri: string) {
    this.#uri = uri;
  }

  async version(): Promise<string> {
    const said = await run("virsh", ["--quiet", "--connect", this.#uri, "version", "--daemon"]);
    const version = /^Running against daemon: (\S+)$/m.exec(said)?.[1];
    if (version === undefined) throw new NetworkError(`virsh version says nothing of a daemon`);
    return version;
  }

  async readSettings(): Promise<DriverSettings> {
    const text = await attempt(() => readFile(settingsFile, encoding));
    return { file: settingsFile, backup: backupFile, text };
  }

  async writeSettings(text: string): Promise<void> {
    const { text: former } = await this.readSettings();
    await writing(async () => {
      if (former !== undefined) {
        await writeAtomically(backupFile, Buffer.from(former, encoding), settingsFile);
      }
      await writeThroughLink(settingsFile, Buffer.from(text, encoding));
    });
  }

  async restoreSettings(before: string | undefined): Promise<void> {
    await writing(async () => {
      await (before === undefined
        ? rm(settingsFile, { force: true })
        : writeThroughLink(settingsFile, Buffer.from(before, encoding)));
      await rm(backupFile, { force: true });
    });
  }

  async running(): Promise<readonly string[]> {
    return (await drivers()).map(describe);
  }

  async outdated(): Promise<readonly string[]> {
    const written = await attempt(() => stat(settingsFile));
    const since = written?.mtimeMs ?? 0;
    return (await drivers()).filter(({ startedAt }) => startedAt <= since).map(describe);
  }

  async restart(): Promise<boolean> {
    const running = await drivers();
    if (!existsSync(systemdFolder)) return running.length === 0;
    for (const name of new Set(running.map((driver) => driver.name))) {
      await run("systemctl", ["restart", `${name}.service`]);
    }
    await this.#untilAnswering();
    return true;
  }

  async #untilAnswering(): Promise<void> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      try {
        await this.version();
        return;
      } catch (error) {
        if (performance.now() > deadline) throw error;
      }
      await setTimeout(100);
    }
  }
}

const backupFile = `${settingsFile}.virtwall-backup`;

/** Where both run, libvirtd has no networks. */
async function drivers(): Promise<readonly FoundProcess[]> {
  const found = await findProcesses(["virtnetworkd", "libvirtd"]);
  const own = found.filter(({ name }) => name === "virtnetworkd");
  return own.length > 0 ? own : found;
}

function describe({ name, pid }: FoundProcess): string {
  return `${name} (pid ${pid})`;
}

async function attempt<Value>(read: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await read();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new NetworkError(`cannot read ${settingsFile}: ${reasonOf(cause)}`, { cause });
  }
}

async function writing(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (cause) {
    throw new NetworkError(`cannot write ${settingsFile}: ${reasonOf(cause)}`, { cause });
  }
}

async function run(program: string, args: readonly string[]): Promise<string> {
  try {
    return await runApart(program, args, { timeoutMs });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    const words = error.message.replaceAll(/^error: /gm, "");
    throw new NetworkError(`${program}: ${words}`, { cause: error });
  }
}
