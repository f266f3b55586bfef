import { join } from "node:path";
import { requiredFileName } from "../edge/files/state-folder.ts";
import { defaultHooksFolder, installHooks } from "../edge/hooks/hook-files.ts";
import type { HookPaths } from "../edge/hooks/hook-script.ts";
import { hookFileOf, readOwnHook, type HookReport } from "../edge/hooks/read-hooks.ts";
import { hookDrivers } from "../wire/hook-call.ts";
import { printColumns } from "./columns.ts";
import { exitStatus, type ExitStatus } from "./exit-status.ts";
import { printJson, type Output } from "./output.ts";
import { demandRoot, type Settings } from "./settings.ts";
import { toTheEnd } from "./stoppable.ts";

export interface HookOptions {
  readonly verb: "install" | "uninstall" | "status";
  readonly hooksFolder?: string;
}

/** What stands in our hooks with these options. */
export function hookPathsOf({ daemonSocket, stateFolder }: Settings): HookPaths {
  return {
    daemonSocket,
    requiredFile: join(stateFolder, requiredFileName),
    node: process.execPath,
  };
}

export async function runHook(
  settings: Settings,
  output: Output,
  { verb, hooksFolder = defaultHooksFolder }: HookOptions,
): Promise<ExitStatus> {
  if (verb !== "status") demandRoot(`hook ${verb}`);
  const paths = hookPathsOf(settings);
  const act = async (): Promise<readonly HookReport[]> => {
    const hooks = hookDrivers.map((driver) => {
      return { driver, hook: hookFileOf(hooksFolder, driver, paths) };
    });
    if (verb === "install") await installHooks(hooks.map(({ hook }) => hook));
    if (verb === "uninstall") for (const { hook } of hooks) await hook.uninstall();
    return Promise.all(hooks.map(({ hook, driver }) => readOwnHook(hook, driver)));
  };
  const reports = await (verb === "status" ? act() : toTheEnd(output, act));
  if (settings.json) printJson(output, { hooks: reports });
  else output.out(printReports(reports, verb));
  return reports.every((report) => isAsWanted(report, verb)) ? exitStatus.ok : exitStatus.problems;
}

function isAsWanted({ state, blind }: HookReport, verb: HookOptions["verb"]): boolean {
  switch (verb) {
    case "install":
      return true;
    case "uninstall":
      return state === "missing";
    case "status":
      return state === "installed" && blind.length === 0;
  }
}

function printReports(reports: readonly HookReport[], verb: HookOptions["verb"]): string {
  const rows = reports.map(({ driver, state, file }) => [driver, state, file]);
  return printColumns(rows, "") + adviceFor(reports, verb);
}

function adviceFor(reports: readonly HookReport[], verb: HookOptions["verb"]): string {
  const lines: string[] = [];
  const inState = (state: string) => reports.some((report) => report.state === state);
  if (inState("foreign"))
    lines.push("what is not ours is left alone: move it away to have our hook there");
  if (verb === "status" && (inState("stale") || inState("missing"))) {
    lines.push("`virtwall hook install` writes what is missing or not as this version has it");
  }
  const blind = new Map(
    reports.flatMap((report) => report.blind).map((found) => [found.pid, found]),
  );
  for (const { name, pid, startedAt } of blind.values()) {
    const since = new Date(startedAt).toISOString().slice(0, 19);
    lines.push(
      `${name} (pid ${pid}) runs since ${since}Z, when there was no such hook, and never looks for one: ` +
        `systemctl restart ${name} (guests go on running)`,
    );
  }
  return lines.map((line) => `${line}\n`).join("");
}
