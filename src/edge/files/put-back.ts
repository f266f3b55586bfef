import { mkdir, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { SourceText } from "../../ports/sources.ts";
import { StateError } from "../../ports/state.ts";
import { keyOf, type OperatorTexts } from "./policy-history.ts";
import { readText } from "./read-folder.ts";
import { writeAtomically } from "./write-atomically.ts";

/**
 * Makes the files say what is wanted. What a file says now, and a file that is not to be, is kept beside it under a name that is not
 * read, with `.before` behind. Answers those names. Throws {@link StateError} at the first file that cannot be written.
 */
export async function putBack(wanted: OperatorTexts, present: OperatorTexts): Promise<string[]> {
  if (keyOf(wanted) === keyOf(present)) return [];
  const kept: string[] = [];
  const texts = [...wanted.policy, ...wanted.ownFilters];
  const names = new Set(texts.map(({ file }) => file));
  try {
    for (const text of texts) kept.push(...(await putBackFile(text)));
    for (const { file } of [...present.policy, ...present.ownFilters]) {
      if (names.has(file)) continue;
      await rename(file, keptName(file));
      kept.push(keptName(file));
    }
  } catch (cause) {
    throw new StateError(`the files are not put back: ${(cause as Error).message}`, { cause });
  }
  return kept;
}

async function putBackFile({ file, text }: SourceText): Promise<string[]> {
  const present = readText(file)?.text;
  if (present === text) return [];
  await mkdir(dirname(file), { recursive: true });
  if (present !== undefined) await writeAtomically(keptName(file), present);
  await writeAtomically(file, text);
  return present === undefined ? [] : [keptName(file)];
}

function keptName(file: string): string {
  return `${file}.before`;
}
