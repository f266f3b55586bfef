import type { SourceText } from "../../model/source-text.ts";
import type { HookFacts } from "../../ports/host-facts.ts";
import { hookDrivers, type HookDriver } from "../../wire/hook-call.ts";
import { findProcesses, type FoundProcess } from "../host/find-processes.ts";
import { readClassicHooks, readHooksJsonFile } from "./classic-hooks.ts";
import { HookFile, type FoundHook } from "./hook-files.ts";
import { printHookScript, type HookPaths } from "./hook-script.ts";

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

/** libvirt-hook-qemu keeps its forwards in a file of their own, which counts for nothing where no script is there to read it. */
async function readOthers(folder: string): Promise<readonly SourceText[]> {
  const hooks = await readClassicHooks(folder);
  const settings = hooks.length > 0 ? await readHooksJsonFile(folder) : undefined;
  return settings === undefined ? hooks : [...hooks, settings];
}
