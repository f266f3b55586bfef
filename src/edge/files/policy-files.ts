import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Problem } from "../../model/problem.ts";
import type { PolicySource, SourceText } from "../../ports/sources.ts";
import { readFolder, readText } from "./read-folder.ts";
import { watchFolder } from "./watch-folder.ts";

/** The main policy file and the `policy.d` folder beside it. */
export class PolicyFiles implements PolicySource {
  readonly #main: string;
  readonly #folder: string;
  readonly demanded: string | undefined;
  #passedOver: readonly Problem[] = [];

  constructor(main: string, isDemanded = false) {
    this.#main = main;
    this.demanded = isDemanded ? main : undefined;
    this.#folder = join(dirname(main), "policy.d");
  }

  get passedOver(): readonly Problem[] {
    return this.#passedOver;
  }

  async read(): Promise<readonly SourceText[]> {
    const main = readText(this.#main);
    const others = await readFolder(this.#folder, ".yaml");
    this.#passedOver = await this.#findPassedOver(others);
    return main ? [main, ...others] : others;
  }

  watch(listener: () => void): () => void {
    const main = basename(this.#main);
    const stops = [
      watchFolder(dirname(this.#main), listener, (name) => name === main || name === "policy.d"),
      watchFolder(this.#folder, listener, (name) => /\.ya?ml$/i.test(name)),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  /** Names that were meant for us and are not in our spelling, and links to nothing. */
  async #findPassedOver(read: readonly SourceText[]): Promise<readonly Problem[]> {
    const entries = await readdir(this.#folder, { withFileTypes: true }).catch(() => []);
    const known = new Set(read.map(({ file }) => file));
    return entries
      .filter(({ name }) => /^[^.].*\.ya?ml$/i.test(name))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((entry) => {
        const file = join(this.#folder, entry.name);
        if (!entry.name.endsWith(".yaml")) {
          return notRead(file, "its name does not end in .yaml", "rename it");
        }
        const isDangling = entry.isSymbolicLink() && !known.has(file);
        return isDangling ? notRead(file, "the link leads nowhere", "mend or remove it") : [];
      });
  }
}

function notRead(file: string, why: string, hint: string): Problem {
  const at = { file, line: 1, column: 1 };
  const message = `this file is not read: ${why}`;
  return { code: "NOT_READ", severity: "warning", at, message, hint };
}
