import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ProgramError, runApart } from "../host/run-apart.ts";

export interface FileRun {
  /** What the file says that is given as `--file`. */
  readonly text?: string | undefined;
  readonly timeoutMs: number;
}

/** Runs virsh, which reads XML from files alone. Throws {@link ProgramError}, too where the file cannot be written. */
export async function runWithFile(
  args: readonly string[],
  { text, timeoutMs }: FileRun,
): Promise<string> {
  if (text === undefined) return runApart("virsh", args, { timeoutMs });
  const folder = await mkdtemp(join(tmpdir(), "virtwall-")).catch(refuse);
  try {
    const file = join(folder, "given.xml");
    await writeFile(file, text).catch(refuse);
    return await runApart("virsh", [...args, `--file=${file}`], { timeoutMs });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function refuse(cause: Error): never {
  throw new ProgramError(`cannot hand over its XML: ${cause.message}`);
}
