import { constants, existsSync } from "node:fs";
import { copyFile, mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { reasonOf } from "../../base/reason-of.ts";
import type { SourceText } from "../../ports/sources.ts";
import { StateError } from "../../ports/state.ts";
import { keyOf, readable, type OperatorTexts } from "./policy-history.ts";
import { readText } from "./read-folder.ts";
import { writeThroughLink } from "./write-atomically.ts";

/**
 * Makes the files say what is wanted, one by one. What a file says now, and a file that is not to be, is kept beside it under a name
 * that is not read: with `.before` behind, and a number where that is taken. Answers those names. Throws {@link StateError} at the
 * first file that cannot be written.
 */
export async function putBack(wanted: OperatorTexts, present: OperatorTexts): Promise<string[]> {
  if (keyOf(wanted) === keyOf(present)) return [];
  const kept: string[] = [];
  const texts = textsOf(wanted);
  const names = new Set(texts.map(({ file }) => file));
  for (const text of texts) {
    kept.push(...(await putBackFile(text).catch((cause) => cannotWrite(text.file, cause))));
  }
  for (const { file } of textsOf(present)) {
    if (names.has(file)) continue;
    const name = freeName(file);
    await rename(file, name).catch((cause) => cannotWrite(file, cause));
    kept.push(name);
  }
  return kept;
}

function cannotWrite(file: string, cause: Error): never {
  throw new StateError(`cannot write ${file}: ${reasonOf(cause)}`, { cause });
}

async function putBackFile({ file, text }: SourceText): Promise<string[]> {
  const present = readText(file)?.text;
  if (present === text) return [];
  await mkdir(dirname(file), { recursive: true });
  const kept = present === undefined ? [] : [freeName(file)];
  // With its mode: it may be for nobody else to read.
  for (const name of kept) await copyFile(file, name, constants.COPYFILE_EXCL);
  try {
    await writeThroughLink(file, text);
  } catch (error) {
    // Whoever tries again would leave one more each time.
    for (const name of kept) await rm(name, { force: true });
    throw error;
  }
  return kept;
}

function textsOf(texts: OperatorTexts): readonly SourceText[] {
  const { policy, ownFilters } = readable(texts);
  return [...policy, ...ownFilters];
}

function freeName(file: string): string {
  let name = `${file}.before`;
  for (let number = 2; existsSync(name); number++) name = `${file}.before.${number}`;
  return name;
}
