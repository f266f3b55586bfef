import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NetworkError, type NetworkControl } from "../../ports/networks.ts";

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
    const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
    try {
      const file = join(folder, "network.xml");
      await writeFile(file, xml);
      await this.#run(["net-define", `--file=${file}`]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async start(name: string): Promise<void> {
    await this.#run(["net-start", `--network=${name}`]);
  }

  async stop(name: string): Promise<void> {
    const info = await this.#run(["net-info", `--network=${name}`]);
    if (/^Active:\s+yes$/m.test(info)) await this.#run(["net-destroy", `--network=${name}`]);
  }

  #run(args: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      execFile(
        "virsh",
        ["--quiet", "--connect", this.#uri, ...args],
        { timeout: timeoutMs, env: { ...process.env, LC_ALL: "C" } },
        (error, stdout, stderr) => {
          if (error === null) return resolve(stdout);
          const words = stderr.trim().replaceAll(/^error: /gm, "") || error.message;
          reject(new NetworkError(`virsh ${args[0] ?? ""}: ${words}`, { cause: error }));
        },
      );
    });
  }
}
