import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DefinedGuest, GuestControl, GuestSide } from "../../ports/guests.ts";
import { SourceError } from "../../ports/sources.ts";
import { ProgramError, runApart } from "../host/run-apart.ts";
import { startError } from "./virsh-session.ts";

const timeoutMs = 60_000;

/** libvirt's guests through virsh. */
export class VirshGuests implements GuestControl {
  readonly #uri: string;
  readonly #namespace: string;

  /** `namespace`: that of our element in the metadata. */
  constructor(uri: string, namespace: string) {
    this.#uri = uri;
    this.#namespace = namespace;
  }

  async find(name: string): Promise<DefinedGuest | undefined> {
    const [all, running, persistent] = await Promise.all([
      this.#run(["list", "--all", "--uuid", "--name"]),
      this.#run(["list", "--uuid"]),
      this.#run(["list", "--all", "--persistent", "--uuid"]),
    ]);
    for (const line of all.split("\n")) {
      const [, uuid, found] = /^([0-9a-f-]{36}) (.*?)\s*$/.exec(line) ?? [];
      if (uuid === undefined || found?.trim() !== name) continue;
      return { uuid, isRunning: running.includes(uuid), isPersistent: persistent.includes(uuid) };
    }
    return undefined;
  }

  xml(uuid: string, side: GuestSide): Promise<string> {
    return this.#run(["dumpxml", uuid, ...(side === "config" ? ["--inactive"] : [])]);
  }

  async updateNic(uuid: string, side: GuestSide, xml: string): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
    try {
      const file = join(folder, "nic.xml");
      await writeFile(file, xml);
      await this.#run(["update-device", uuid, `--file=${file}`, `--${side}`]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async metadata(uuid: string, side: GuestSide): Promise<string | undefined> {
    try {
      return (await this.#run([...this.#metadataOf(uuid), `--${side}`])).trim();
    } catch (error) {
      if (error instanceof SourceError && /metadata not found/.test(error.message))
        return undefined;
      throw error;
    }
  }

  async setMetadata(uuid: string, side: GuestSide, xml: string | undefined): Promise<void> {
    if (xml === undefined && (await this.metadata(uuid, side)) === undefined) return;
    const change = xml === undefined ? ["--remove"] : ["--key", "virtwall", "--set", xml];
    await this.#run([...this.#metadataOf(uuid), ...change, `--${side}`]);
  }

  #metadataOf(uuid: string): string[] {
    return ["metadata", uuid, "--uri", this.#namespace];
  }

  async #run(words: readonly string[]): Promise<string> {
    try {
      return await runApart("virsh", ["-q", "-c", this.#uri, ...words], { timeoutMs });
    } catch (error) {
      if (!(error instanceof ProgramError)) throw error;
      if (error.code !== undefined) throw startError(error);
      const said = error.message.replaceAll(/^error: /gm, "");
      throw new SourceError(`virsh ${words[0] ?? ""}: ${said}`, { cause: error });
    }
  }
}
