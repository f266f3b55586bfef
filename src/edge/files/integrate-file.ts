import { execFile } from "node:child_process";
import { readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { reasonOf } from "../../base/reason-of.ts";
import { RulesetFileError, type RulesetFiles } from "../../ports/ruleset-file.ts";
import { writeAtomically } from "./write-atomically.ts";

/** Ruleset files on this machine. Bytes stay what they are, in whatever encoding: one byte is one character. */
export class LocalRulesetFiles implements RulesetFiles {
  async read(file: string): Promise<string> {
    return attempt(file, async () => {
      if (!(await stat(file)).isFile()) throw new Error("not a plain file");
      return readFile(file, "latin1");
    });
  }

  async readBackup(file: string): Promise<string | undefined> {
    return attempt(file, async () => {
      try {
        return await readFile(backupOf(await realpath(file)), "latin1");
      } catch (error) {
        if (codeOf(error) === "ENOENT") return undefined;
        throw error;
      }
    });
  }

  async check(file: string, text: string): Promise<string | undefined> {
    return attempt(file, async () => {
      const target = await realpath(file);
      const trial = join(dirname(target), `.${basename(target)}.virtwall-check-${process.pid}`);
      try {
        await writeFile(trial, bytesOf(text), { mode: 0o600 });
        return await refusalOf(file, trial);
      } finally {
        await rm(trial, { force: true });
      }
    });
  }

  async write(file: string, text: string): Promise<void> {
    await attempt(file, async () => {
      const target = await realpath(file);
      await writeAtomically(target, bytesOf(text));
    });
  }

  async writeBackup(file: string, text: string): Promise<string> {
    return attempt(file, async () => {
      const target = await realpath(file);
      const backup = backupOf(target);
      await writeAtomically(backup, bytesOf(text), target);
      return backup;
    });
  }

  async removeBackup(file: string): Promise<void> {
    await attempt(file, async () => rm(backupOf(await realpath(file)), { force: true }));
  }
}

function backupOf(target: string): string {
  return `${target}.virtwall-backup`;
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/**
 * nft looks up `./` includes from where it was started, which is `/` under systemd and the file's folder for an admin at work.
 * A file that creates what already exists is refused against the running ruleset and not in an empty namespace. One of these
 * takes it, or it is refused.
 */
async function refusalOf(file: string, trial: string): Promise<string | undefined> {
  const folder = dirname(trial);
  const attempts = [
    { program: "nft", args: ["-c", "-f", trial], cwd: folder },
    { program: "nft", args: ["-c", "-f", trial], cwd: "/" },
    { program: "unshare", args: ["--net", "nft", "-c", "-f", trial], cwd: folder },
  ];
  let first: string | undefined;
  for (const { program, args, cwd } of attempts) {
    const refusal = await run(program, args, cwd);
    if (refusal === undefined) return undefined;
    if (refusal.isMissing && program === "nft") {
      throw new RulesetFileError(`nft is not installed, and ${file} cannot be checked without it`, {
        file,
        missing: "nftables",
      });
    }
    first ??= refusal.words.replaceAll(trial, file);
  }
  return first;
}

function run(
  program: string,
  args: readonly string[],
  cwd: string,
): Promise<{ readonly words: string; readonly isMissing: boolean } | undefined> {
  return new Promise((resolve) => {
    const options = { cwd, env: { ...process.env, LC_ALL: "C" } };
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve(undefined);
      const words = (stderr.trim() || stdout.trim() || error.message).trim();
      resolve({ words, isMissing: codeOf(error) === "ENOENT" });
    });
  });
}

async function attempt<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RulesetFileError) throw error;
    throw new RulesetFileError(`cannot change ${file}: ${reasonOf(error)}`, { file, cause: error });
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
}
