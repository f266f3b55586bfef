import { execFile } from "node:child_process";
import { SourceError } from "../../ports/sources.ts";
import { startError } from "./virsh-session.ts";

/** A guest that libvirt knows, whether it runs or not. */
export interface DefinedGuest {
  readonly uuid: string;
  readonly isRunning: boolean;
  /** It is still defined when it has stopped. */
  readonly isPersistent: boolean;
}

/** Our element in the metadata of guests, through `virsh metadata`. Guests are addressed by UUID: names are chosen by others. */
export class MetadataStore {
  readonly #uri: string;
  readonly #namespace: string;

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

  /** The element without its namespace, of the running guest where it runs; undefined for none. */
  async read(guest: DefinedGuest): Promise<string | undefined> {
    const which = guest.isRunning ? "--live" : "--config";
    const words = ["metadata", guest.uuid, "--uri", this.#namespace, which];
    try {
      return (await this.#run(words)).trim();
    } catch (error) {
      if (error instanceof SourceError && /metadata not found/.test(error.message))
        return undefined;
      throw error;
    }
  }

  /** In the running guest and in its definition. Undefined takes the element away. */
  async write(guest: DefinedGuest, xml: string | undefined): Promise<void> {
    const words = ["metadata", guest.uuid, "--uri", this.#namespace];
    const change = xml === undefined ? ["--remove"] : ["--key", "virtwall", "--set", xml];
    const where = [
      ...(guest.isRunning ? ["--live"] : []),
      ...(guest.isPersistent ? ["--config"] : []),
    ];
    await this.#run([...words, ...change, ...where]);
  }

  #run(words: readonly string[]): Promise<string> {
    const env = { ...process.env, LC_ALL: "C" };
    return new Promise((resolve, reject) => {
      execFile("virsh", ["-q", "-c", this.#uri, ...words], { env }, (error, stdout, stderr) => {
        if (!error) return resolve(stdout);
        if (typeof error.code !== "number") return reject(startError(error));
        reject(new SourceError(`virsh ${words[0] ?? ""}: ${stderr.trim()}`, { cause: error }));
      });
    });
  }
}
