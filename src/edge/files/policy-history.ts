import { mkdir, readdir, readFile, rm } from "node:fs/promises";
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

export interface Authorship {
  /** Who brought them into force. */
  readonly by: string;
  /** What opened and closed by it, a line each, where that was looked at. */
  readonly reach?: readonly string[];
}

/** Texts that were in force once. */
export interface HeldTexts extends OperatorTexts, Authorship {
  /** Counts up from 1. */
  readonly number: number;
  /** Since when they were in force: ISO 8601, UTC. */
  readonly at: string;
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

  /** Newest first. One that makes no sense is passed over: it keeps nobody from the others. */
  async load(): Promise<readonly HeldTexts[]> {
    const texts = await readFolder(this.#folder, ".json").catch((cause: unknown) => {
      throw new StateError((cause as Error).message, { cause });
    });
    const held = texts.map(({ text }) => parseHeld(text)).filter((each) => each !== undefined);
    return held.toSorted((a, b) => b.number - a.number);
  }

  /** Who is about to bring these texts into force, where another process will do it. A full disk costs the name, and no change. */
  async announce(texts: OperatorTexts, author: Authorship): Promise<void> {
    const text = JSON.stringify([author, keyOf(texts)]);
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await writeAtomically(join(this.#folder, authorName), text);
    } catch (error) {
      // Whoever saves what comes into force meets the same refusal of the machine and tells of it.
      if ((error as NodeJS.ErrnoException).errno === undefined) throw error;
    }
  }

  /** Takes in texts that are in force now, unless they are the newest already; `by` where nobody has announced them. */
  async add(texts: OperatorTexts, by: string): Promise<void> {
    const numbers = await this.#numbers();
    const newest = await this.#newest(numbers);
    if (newest !== undefined && keyOf(newest) === keyOf(texts)) return;
    const number = (numbers[0] ?? 0) + 1;
    const author = (await this.#takeAuthor(texts)) ?? { by };
    const { policy, ownFilters } = readable(texts);
    const at = new Date().toISOString();
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const text = JSON.stringify({ number, at, ...author, policy, ownFilters });
    await writeAtomically(this.#fileOf(number), text);
    for (const old of numbers.slice(keptTexts - 1)) await rm(this.#fileOf(old), { force: true });
  }

  async clear(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #takeAuthor(texts: OperatorTexts): Promise<Authorship | undefined> {
    const file = join(this.#folder, authorName);
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text === undefined) return undefined;
    await rm(file, { force: true });
    const announced: unknown = JSON.parse(text);
    if (!Array.isArray(announced) || announced[1] !== keyOf(texts)) return undefined;
    return isAuthorship(announced[0]) ? announced[0] : undefined;
  }

  /** Of all there are, newest first. */
  async #numbers(): Promise<number[]> {
    const names = await readdir(this.#folder).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return [];
      throw new StateError(`${this.#folder} is not readable: ${cause.message}`, { cause });
    });
    const numbers = names
      .filter((name) => /^\d+\.json$/.test(name))
      .map((name) => Number.parseInt(name, 10));
    return numbers.toSorted((a, b) => b - a);
  }

  /** The newest that makes sense; the others are not read. */
  async #newest(numbers: readonly number[]): Promise<HeldTexts | undefined> {
    for (const number of numbers) {
      const text = await readFile(this.#fileOf(number), "utf8").catch(() => "");
      const held = parseHeld(text);
      if (held !== undefined) return held;
    }
    return undefined;
  }

  #fileOf(number: number): string {
    return join(this.#folder, `${String(number).padStart(6, "0")}.json`);
  }
}

/** Equal for texts that say the same in the same files. */
export function keyOf(texts: OperatorTexts): string {
  const { policy, ownFilters } = readable(texts);
  const rows = (texts: readonly SourceText[]) => texts.map(({ file, text }) => [file, text]);
  return JSON.stringify([rows(policy), rows(ownFilters)]);
}

/** Without links to nothing, and what else has a filter's name and no text. */
export function readable({ policy, ownFilters }: OperatorTexts): OperatorTexts {
  return { policy, ownFilters: ownFilters.filter(({ unread }) => unread === undefined) };
}

function parseHeld(text: string): HeldTexts | undefined {
  try {
    const held = JSON.parse(text) as Partial<HeldTexts> | null;
    const isWhole =
      typeof held?.number === "number" &&
      typeof held.at === "string" &&
      isOperatorTexts(held) &&
      isAuthorship(held);
    return isWhole ? (held as HeldTexts) : undefined;
  } catch {
    return undefined;
  }
}

function isAuthorship(value: unknown): value is Authorship {
  const { by, reach = [] } = (value ?? {}) as { readonly by?: unknown; readonly reach?: unknown };
  const isLines = Array.isArray(reach) && reach.every((line) => typeof line === "string");
  return typeof by === "string" && isLines;
}

export function isOperatorTexts(value: Partial<OperatorTexts> | null | undefined): boolean {
  return isTexts(value?.policy) && isTexts(value?.ownFilters);
}

export function isTexts(value: unknown): value is SourceText[] {
  return (
    Array.isArray(value) &&
    value.every(
      (row: Partial<SourceText> | null) =>
        typeof row?.file === "string" && typeof row.text === "string",
    )
  );
}
