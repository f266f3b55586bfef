import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { SourceText } from "../../model/source-text.ts";
import type { HookFacts } from "../../ports/host-facts.ts";
import { hookDrivers, type HookDriver } from "../../wire/hook-call.ts";
import { readText } from "../files/read-folder.ts";
import { findProcesses, type FoundProcess } from "../host/find-processes.ts";
import { HookFile, type FoundHook } from "./hook-files.ts";
import { hookMark, printHookScript, type HookPaths } from "./hook-script.ts";

/** Which processes call the hooks of a driver: the one of a libvirt in one piece, or the modular one. */
const callers: Readonly<Record<HookDriver, readonly string[]>> = {
  qemu: ["libvirtd", "virtqemud"],
  network: ["libvirtd", "virtnetworkd"],
};

export interface HookReport extends Omit<FoundHook, "since"> {
  readonly driver: HookDriver;
  /** Running libvirt processes that started when there was no hook of this driver, and so never look for one. */
  readonly blind: readonly FoundProcess[];
}

export function hookFileOf(folder: string, driver: HookDriver, paths: HookPaths): HookFile {
  return new HookFile(folder, driver, printHookScript(driver, paths));
}

/** Our own hook of a driver as it stands. */
export async function readOwnHook(hook: HookFile, driver: HookDriver): Promise<HookReport> {
  const { since, ...found } = await hook.find();
  const running = found.state === "installed" ? await findProcesses(callers[driver]) : [];
  const blind = running.filter(({ startedAt }) => startedAt < (since ?? Infinity));
  return { driver, ...found, blind };
}

/** All that libvirt runs: our own hooks, and what others have put there. */
export async function readHooks(folder: string, paths: HookPaths): Promise<HookFacts> {
  const own = await Promise.all(
    hookDrivers.map((driver) => readOwnHook(hookFileOf(folder, driver, paths), driver)),
  );
  return { own, others: await readOthers(folder) };
}

async function readOthers(folder: string): Promise<readonly SourceText[]> {
  const drivers = ["daemon", "lxc", "network", "qemu"];
  const inFolders = await Promise.all(
    drivers.map(async (driver) => {
      const names: string[] = await readdir(join(folder, `${driver}.d`)).catch(() => []);
      return names.toSorted().map((name) => join(folder, `${driver}.d`, name));
    }),
  );
  const files = [...drivers.map((driver) => join(folder, driver)), ...inFolders.flat()];
  const texts = await Promise.all(files.map(readScript));
  return texts.filter((text) => text !== undefined);
}

/** Undefined for what libvirt does not run, what is ours, and programs that are no script. */
async function readScript(file: string): Promise<SourceText | undefined> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile() || (found.mode & 0o111) === 0) return undefined;
  const source = readText(file);
  const isOurs = source?.text.split("\n", 2)[1]?.startsWith(hookMark) === true;
  return isOurs || source?.text.includes("\0") === true ? undefined : source;
}
