import type { Problem } from "../../model/problem.ts";
import {
  SourceError,
  type FilterSource,
  type FilterTexts,
  type SourceText,
} from "../../ports/sources.ts";
import { readFolder } from "./read-folder.ts";
import { watchFolder } from "./watch-folder.ts";

/** libvirt keeps each of its filters here in a file of its own. */
export const libvirtFilterFolder = "/etc/libvirt/nwfilter";

/** Two folders of filters, one file each: virtwall's own and libvirt's. */
export class FilterFolders implements FilterSource {
  readonly #own: string;
  readonly #libvirt: string;
  #passedOver: readonly Problem[] = [];

  constructor(own: string, libvirt: string) {
    this.#own = own;
    this.#libvirt = libvirt;
  }

  get passedOver(): readonly Problem[] {
    return this.#passedOver;
  }

  async read(): Promise<FilterTexts> {
    const [ownFilters, filters] = await Promise.all([
      readFolder(this.#own, ".xml", { others: "name" }),
      this.#readLibvirt(),
    ]);
    return { ownFilters, filters };
  }

  watch(listener: () => void): () => void {
    const stops = [this.#own, this.#libvirt].map((folder) =>
      watchFolder(folder, listener, (name) => name.endsWith(".xml")),
    );
    return () => {
      for (const stop of stops) stop();
    };
  }

  /** libvirt's files are for root alone, and `check` is for everybody. */
  async #readLibvirt(): Promise<readonly SourceText[]> {
    this.#passedOver = [];
    try {
      return await readFolder(this.#libvirt, ".xml");
    } catch (error) {
      const { code } = ((error as SourceError).cause ?? {}) as NodeJS.ErrnoException;
      if (code !== "EACCES") throw error;
      const at = { file: this.#libvirt, line: 1, column: 1 };
      const message = "libvirt's own filters are not read: permission denied";
      const hint = "run as root, if one of them is used";
      this.#passedOver = [{ code: "NOT_READ", severity: "warning", at, message, hint }];
      return [];
    }
  }
}
