import { NetworkError, type NetworkControl } from "../../ports/networks.ts";
import { ProgramError } from "../host/run-apart.ts";
import { runWithFile } from "./run-with-file.ts";

const timeoutMs = 60_000;

/** libvirt's networks through virsh. Names are passed as arguments of their own, and never read by a shell or by virsh's own one. */
export class VirshNetworks implements NetworkControl {
  readonly #uri: string;

  constructor(uri: string) {
    this.#uri = uri;
  }

  async persistentXml(name: string): Promise<string | undefined> {
    const info = await this.#run(["net-info", `--network=${name}`]);
    if (!/^Persistent:\s+yes$/m.test(info)) return undefined;
    return this.#run(["net-dumpxml", "--inactive", `--network=${name}`]);
  }

  async define(xml: string): Promise<void> {
    await this.#run(["net-define"], xml);
  }

  async start(name: string): Promise<void> {
    await this.#run(["net-start", `--network=${name}`]);
  }

  async stop(name: string): Promise<void> {
    const info = await this.#run(["net-info", `--network=${name}`]);
    if (/^Active:\s+yes$/m.test(info)) await this.#run(["net-destroy", `--network=${name}`]);
  }

  async #run(args: readonly string[], text?: string): Promise<string> {
    try {
      return await runWithFile(["--quiet", "--connect", this.#uri, ...args], { text, timeoutMs });
    } catch (error) {
      if (!(error instanceof ProgramError)) throw error;
      const words = error.message.replaceAll(/^error: /gm, "");
      throw new NetworkError(`virsh ${args[0] ?? ""}: ${words}`, { cause: error });
    }
  }
}
