import { stat } from "node:fs/promises";
import { join } from "node:path";
import { SourceError, type LibvirtSource, type LibvirtTexts } from "../../ports/sources.ts";
import { KnownFiles } from "../files/known-files.ts";
import { readFolder } from "../files/read-folder.ts";
import { watchFolder } from "../files/watch-folder.ts";

/** A folder that stands for libvirt: `networks/*.xml`, `domains/*.xml` (live XML) and `leases/*.status`. */
export class DirectoryLibvirt implements LibvirtSource {
  readonly #folder: string;
  readonly #files = new KnownFiles();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async read(): Promise<LibvirtTexts> {
    const found = await stat(this.#folder).catch(() => undefined);
    if (!found?.isDirectory()) {
      throw new SourceError(`the inventory folder ${this.#folder} does not exist`);
    }
    const [networks, guests, leases] = await Promise.all([
      readFolder(join(this.#folder, "networks"), ".xml", this.#files),
      readFolder(join(this.#folder, "domains"), ".xml", this.#files),
      readFolder(join(this.#folder, "leases"), ".status", this.#files),
    ]);
    this.#files.keep([...networks, ...guests, ...leases]);
    return { networks, guests, leases };
  }

  /** Every reading looks at it all. */
  expectChange(): void {}

  watch(listener: () => void): () => void {
    const stops = ["networks", "domains", "leases"].map((name) =>
      watchFolder(join(this.#folder, name), listener),
    );
    return () => {
      for (const stop of stops) stop();
    };
  }
}
