import { basename, dirname, join } from "node:path";
import type { PolicySource, SourceText } from "../../ports/sources.ts";
import { readFolder, readText } from "./read-folder.ts";
import { watchFolder } from "./watch-folder.ts";

/** The main policy file and the `policy.d` folder beside it. */
export class PolicyFiles implements PolicySource {
  readonly #main: string;
  readonly #folder: string;
  readonly demanded: string | undefined;

  constructor(main: string, isDemanded = false) {
    this.#main = main;
    this.demanded = isDemanded ? main : undefined;
    this.#folder = join(dirname(main), "policy.d");
  }

  async read(): Promise<readonly SourceText[]> {
    const main = readText(this.#main);
    const others = await readFolder(this.#folder, ".yaml");
    return main ? [main, ...others] : others;
  }

  watch(listener: () => void): () => void {
    const main = basename(this.#main);
    const stops = [
      watchFolder(dirname(this.#main), listener, (name) => name === main || name === "policy.d"),
      watchFolder(this.#folder, listener, (name) => name.endsWith(".yaml")),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }
}
