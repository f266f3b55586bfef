import { readFile } from "node:fs/promises";

/** Settings of the kernel by their paths below /proc/sys; one that the kernel has not is absent. */
export async function readSettings(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const values = await Promise.all(
    paths.map(async (path) => [path, await readWord(`/proc/sys/${path}`)] as const),
  );
  return new Map(
    values.flatMap(([path, value]) => (value === undefined ? [] : [[path, value] as const])),
  );
}

async function readWord(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch {
    return undefined;
  }
}
