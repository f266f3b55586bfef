import { existsSync } from "node:fs";
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { Unit, UnitFacts } from "../../ports/host-facts.ts";

/** Where systemd looks for units, best first (systemd.unit(5)). */
const folders = [
  "/etc/systemd/system",
  "/run/systemd/system",
  "/usr/local/lib/systemd/system",
  "/usr/lib/systemd/system",
  "/lib/systemd/system",
] as const;

/**
 * The order that units ask for, from their files and drop-ins: systemd itself may be asked by nobody but through a bus. sd_booted(3)
 * tells whether it runs.
 */
export async function readUnits(names: readonly string[]): Promise<UnitFacts> {
  const wanted = await enabledUnits();
  const units = new Map<string, Unit>();
  for (const name of names) {
    const file = await fileOf(name);
    if (file === undefined) continue;
    const texts = await Promise.all([file, ...(await dropIns(name))].map(readText));
    units.set(name, {
      file,
      isEnabled: wanted.has(name),
      before: wordsOf(texts, "Before"),
      after: wordsOf(texts, "After"),
      wants: [...wordsOf(texts, "Wants"), ...wordsOf(texts, "Requires")],
    });
  }
  return { isBooted: existsSync("/run/systemd/system"), units };
}

/** Undefined where there is none, or a mask. */
async function fileOf(name: string): Promise<string | undefined> {
  for (const folder of folders) {
    const file = join(folder, name);
    if (!existsSync(file)) continue;
    const target = await readlink(file).catch(() => "");
    return target === "/dev/null" ? undefined : file;
  }
  return undefined;
}

async function dropIns(name: string): Promise<readonly string[]> {
  const found = await Promise.all(
    folders.map(async (folder) => {
      const own = join(folder, `${name}.d`);
      return (await namesIn(own))
        .filter((file) => file.endsWith(".conf"))
        .map((file) => join(own, file));
    }),
  );
  return found.flat();
}

/** What another unit wants by a link in its folder, as `systemctl enable` makes it. */
async function enabledUnits(): Promise<ReadonlySet<string>> {
  const names = await Promise.all(
    folders.slice(0, 2).map(async (folder) => {
      const wants = (await namesIn(folder)).filter((name) => /\.(wants|requires)$/.test(name));
      return Promise.all(wants.map((name) => namesIn(join(folder, name))));
    }),
  );
  return new Set(names.flat(2));
}

function wordsOf(texts: readonly string[], key: string): string[] {
  const lines = texts.flatMap((text) => text.replaceAll("\\\n", " ").split("\n"));
  const pattern = new RegExp(`^\\s*${key}\\s*=(.*)$`);
  return lines.flatMap((line) => pattern.exec(line)?.[1]?.split(/\s+/).filter(Boolean) ?? []);
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}

async function readText(file: string): Promise<string> {
  return readFile(file, "utf8").catch(() => "");
}
