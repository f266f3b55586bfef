import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { SourceText } from "../../ports/sources.ts";
import { StateError } from "../../ports/state.ts";
import { readFolder } from "./read-folder.ts";
import { writeAtomically } from "./write-atomically.ts";

/** What an operator writes: the policy's files and virtwall's own filters. */
export interface OperatorTexts {
  readonly policy: readonly SourceText[];
  readonly ownFilters: readonly SourceText[];
}

/** Texts that were in force once. */
export interface HeldTexts extends OperatorTexts {
  /** Counts up from 1, and is never used again. */
  readonly number: number;
  /** Since when they were in force: ISO 8601, UTC. */
  readonly at: string;
  /** Who brought them into force. */
  readonly by: string;
}

/** So many are kept. */
const keptTexts = 10;
const authorName = "author";

/** The last texts that were in force, a file each. */
export class PolicyHistory {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Newest first. Throws {@link StateError} when one cannot be read. */
  async load(): Promise<readonly HeldTexts[]> {
    const texts = await readFolder(this.#folder, ".json").catch((cause: unknown) => {
      throw new StateError((cause as Error).message, { cause });
    });
    const held = texts.map(({ file, text }) => readHeld(file, text));
    return held.toSorted((a, b) => b.number - a.number);
  }

  /** Who is about to bring these texts into force, where another process will do it. */
  async announce(texts: OperatorTexts, by: string): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await writeAtomically(join(this.#folder, authorName), JSON.stringify([by, keyOf(texts)]));
  }

  /** Takes in texts that are in force now, unless they are the newest already; `by` where nobody has announced them. */
  async add(texts: OperatorTexts, by: string): Promise<void> {
    const held = await this.load();
    if (held[0] !== undefined && keyOf(held[0]) === keyOf(texts)) return;
    const number = (held[0]?.number ?? 0) + 1;
    const author = (await this.#takeAuthor(texts)) ?? by;
    const { policy, ownFilters } = texts;
    const at = new Date().toISOString();
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const text = JSON.stringify({ number, at, by: author, policy, ownFilters });
    await writeAtomically(this.#fileOf(number), text);
    for (const old of held.slice(keptTexts - 1))
      await rm(this.#fileOf(old.number), { force: true });
  }

  async clear(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #takeAuthor(texts: OperatorTexts): Promise<string | undefined> {
    const file = join(this.#folder, authorName);
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text === undefined) return undefined;
    await rm(file, { force: true });
    const announced: unknown = JSON.parse(text);
    if (!Array.isArray(announced) || announced[1] !== keyOf(texts)) return undefined;
    return String(announced[0]);
  }

  #fileOf(number: number): string {
    return join(this.#folder, `${String(number).padStart(6, "0")}.json`);
  }
}

/** Equal for texts that say the same in the same files. */
export function keyOf({ policy, ownFilters }: OperatorTexts): string {
  const rows = (texts: readonly SourceText[]) => texts.map(({ file, text }) => [file, text]);
  return JSON.stringify([rows(policy), rows(ownFilters)]);
}

function readHeld(file: string, text: string): HeldTexts {
  const held = parseHeld(text);
  if (held === undefined) throw new StateError(`${file} is nothing that virtwall has saved`);
  return held;
}

function parseHeld(text: string): HeldTexts | undefined {
  try {
    const held = JSON.parse(text) as Partial<HeldTexts> | null;
    const isWhole =
      typeof held?.number === "number" &&
      typeof held.at === "string" &&
      typeof held.by === "string" &&
      isOperatorTexts(held);
    return isWhole ? (held as HeldTexts) : undefined;
  } catch {
    return undefined;
  }
}

export function isOperatorTexts(value: Partial<OperatorTexts> | null | undefined): boolean {
  return [value?.policy, value?.ownFilters].every(
    (texts) =>
      Array.isArray(texts) &&
      texts.every(
        (row: Partial<SourceText> | null) =>
          typeof row?.file === "string" && typeof row.text === "string",
      ),
  );
}
