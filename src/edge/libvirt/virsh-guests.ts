import type { DefinedGuest, GuestControl, GuestSide } from "../../ports/guests.ts";
import { SourceError } from "../../ports/sources.ts";
import { ProgramError } from "../host/run-apart.ts";
import { withAdvice } from "./libvirt-advice.ts";
import { runWithFile } from "./run-with-file.ts";
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
      const [, uuid, found] = /^([0-9a-f-]{36}) (.*)$/.exec(line) ?? [];
      // Some virsh (5.0) fill the column up.
      if (uuid === undefined || (found !== name && found !== name.padEnd(30))) continue;
      return { uuid, isRunning: running.includes(uuid), isPersistent: persistent.includes(uuid) };
    }
    return undefined;
  }

  xml(uuid: string, side: GuestSide): Promise<string> {
    return this.#run(["dumpxml", uuid, ...(side === "config" ? ["--inactive"] : [])]);
  }

  async updateNic(uuid: string, side: GuestSide, xml: string): Promise<void> {
    if ((await this.xml(uuid, side)).includes(xml)) return;
    await this.#run(["update-device", uuid, `--${side}`], xml);
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
    if ((await this.metadata(uuid, side)) === xml) return;
    const change = xml === undefined ? ["--remove"] : ["--key", "virtwall", "--set", xml];
    await this.#run([...this.#metadataOf(uuid), ...change, `--${side}`]);
  }

  #metadataOf(uuid: string): string[] {
    return ["metadata", uuid, "--uri", this.#namespace];
  }

  async #run(words: readonly string[], text?: string): Promise<string> {
    try {
      return await runWithFile(["-q", "-c", this.#uri, ...words], { text, timeoutMs });
    } catch (error) {
      if (!(error instanceof ProgramError)) throw error;
      if (error.code !== undefined) throw startError(error);
      const said = error.message.replaceAll(/^error: /gm, "");
      throw new SourceError(withAdvice(`virsh ${words[0] ?? ""}: ${said}`, this.#uri), {
        cause: error,
      });
    }
  }
}
