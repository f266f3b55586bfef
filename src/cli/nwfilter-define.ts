import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { writeAtomically } from "../edge/files/write-atomically.ts";
import { ownFilterFolder } from "../edge/libvirt/open-sources.ts";
import { askDaemon } from "../edge/socket/daemon-client.ts";
import { quote } from "../base/quote.ts";
import type { Filter } from "../model/filter.ts";
import type { Problem } from "../model/problem.ts";
import { parseFilterXml } from "../parse/filter-xml.ts";
import { printFilterXml } from "../parse/print-filter.ts";
import type { ReloadResult } from "../wire/daemon-protocol.ts";
import { collect, imagine, type Imagined } from "./collect.ts";
import { exitStatus, RefusedError, type ExitStatus } from "./exit-status.ts";
import { filterUsers } from "./filter-users.ts";
import { complainUnknown } from "./nwfilter.ts";
import { printJson, type Output } from "./output.ts";
import { hasErrors, printProblems } from "./print-problems.ts";
import { complain, outcomeOf, reloadDaemon } from "./publish.ts";
import { findFilter, readFilters, uuidOf, type KnownFilter } from "./read-filters.ts";
import type { Settings } from "./settings.ts";

/** The body of `virtwall nwfilter define --json`, and of `undefine`. */
export interface DefineResult {
  readonly name: string;
  /** The file that was written or removed; null where nothing was. */
  readonly file: string | null;
  readonly problems: readonly Problem[];
  /** What the daemon did with it; null where none runs. */
  readonly daemon: ReloadResult | null;
}

export interface Definition {
  /** Where the text comes from, in words. */
  readonly file: string;
  readonly text: string;
  readonly isCompat: boolean;
}

/** As `virsh nwfilter-define`, but that every nic that is bound to the filter has to be able to live with it. */
export async function runFilterDefine(
  settings: Settings,
  output: Output,
  { file, isCompat }: Omit<Definition, "text">,
): Promise<ExitStatus> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => error);
  if (typeof text !== "string") {
    const [, why = text.message] = /^[A-Z]+: ([^,]+)/.exec(text.message) ?? [];
    return complain(output, `Failed to open file '${file}': ${why}`);
  }
  const told = `Failed to define network filter from ${file}`;
  const definition = { file, text, isCompat };
  return define(settings, output, { definition, told, done: `defined from ${file}` });
}

interface Defining {
  readonly definition: Definition;
  /** What is said if it fails. */
  readonly told: string;
  /** What is said of the filter if it does not. */
  readonly done: string;
}

/** Writes the definition if everything is right with it, and has the daemon take it up; else nothing is changed. */
export async function define(
  settings: Settings,
  output: Output,
  { definition, told, done }: Defining,
): Promise<ExitStatus> {
  await refuseOtherDaemon(settings);
  const judged = await judge(settings, definition);
  const { name } = judged;
  if (!("file" in judged)) {
    const { problems } = judged;
    if (settings.json) {
      printJson(output, { name, file: null, problems, daemon: null } satisfies DefineResult);
    } else {
      output.err(printProblems(problems, judged.texts));
      output.err(`virtwall: ${told}; nothing was changed\n`);
    }
    return exitStatus.problems;
  }
  const before = await readFile(judged.file, "utf8").catch(() => undefined);
  await write(judged.file, judged.text);
  const undo = () => (before === undefined ? remove(judged.file) : write(judged.file, before));
  const { problems, file } = judged;
  if (!settings.json) output.err(printProblems(problems, judged.texts));
  return finish(settings, output, { result: { name, file, problems }, done, undo });
}

interface Judged {
  readonly name: string;
  readonly problems: readonly Problem[];
  readonly texts: ReadonlyMap<string, string>;
}

/** What would be wrong with the definition, alone and for everybody who is bound to it; with `file` and `text` if nothing is. */
export async function judge(
  settings: Settings,
  { file: source, text, isCompat }: Definition,
): Promise<Judged | (Judged & { readonly file: string; readonly text: string })> {
  const parsed = parseFilterXml({ file: source, text }, { isCompat });
  const { filter } = parsed;
  const texts = new Map([[source, text]]);
  if (filter === undefined) return { name: "", problems: parsed.problems, texts };
  const { name } = filter;
  const known = await readFilters(settings);
  const conflict = conflictOf(filter, known);
  if (conflict !== undefined) return { name, problems: [...parsed.problems, conflict], texts };
  // What virtwall keeps is read strictly: of what libvirt misreads it keeps what libvirt would show.
  const kept = isCompat ? printFilterXml(filter) : text;
  const file = fileOf(filter, known, ownFilterFolder(settings.policyFile));
  const found = await fresh(settings, { filter: { file, text: kept } });
  // Places in the file to be are those of the text at hand, if that is what is written.
  const at = (problem: Problem) =>
    problem.at.file === file ? { ...problem.at, file: source } : problem.at;
  const fromThere = found.problems.map((problem) => ({ ...problem, at: at(problem) }));
  const own = parsed.problems.filter(({ severity }) => severity === "warning");
  const problems = [...own, ...fromThere.filter((problem) => !isAmong(problem, own))];
  const all = new Map([...found.texts, ...texts]);
  if (hasErrors(problems)) return { name, problems, texts: all };
  return { name, problems, texts: all, file, text: kept };
}

/** Problems that are there with the change and are not without. */
async function fresh(settings: Settings, change: Imagined) {
  const [before, after] = [await collect(settings), await imagine(settings, change)];
  const problems = after.decision.problems.filter(
    (problem) => !isAmong(problem, before.decision.problems),
  );
  return { problems, texts: after.texts, after };
}

function isAmong(problem: Problem, problems: readonly Problem[]): boolean {
  return problems.some(({ code, message }) => code === problem.code && message === problem.message);
}

/** libvirt's words: a UUID is one filter's, and a filter keeps its own. */
function conflictOf(filter: Filter, known: readonly KnownFilter[]): Problem | undefined {
  const uuid = uuidOf(filter);
  const sameUuid = known.find((other) => other.uuid === uuid && other.filter.name !== filter.name);
  const former = known.find(
    (other) => other.filter.name === filter.name && other.from === "virtwall",
  );
  const conflict = (message: string, hint: string): Problem => {
    return { code: "FILTER_EXISTS", severity: "error", at: filter.at, message, hint };
  };
  if (sameUuid !== undefined) {
    const message = `filter with same UUID but different name (${quote(sameUuid.filter.name)}) already exists`;
    return conflict(message, "leave <uuid> out: a new filter gets one");
  }
  if (former === undefined || former.uuid === uuid) return undefined;
  const message = `filter ${quote(filter.name)} already exists with uuid ${former.uuid}`;
  return conflict(message, `write <uuid>${former.uuid}</uuid>`);
}

/** Where it stands already, or a file of its name. */
function fileOf(filter: Filter, known: readonly KnownFilter[], folder: string): string {
  const own = known.filter(({ from }) => from === "virtwall").map((other) => other.filter);
  const former = own.find(({ name }) => name === filter.name);
  if (former !== undefined) return former.at.file;
  const file = join(folder, `${filter.name}.xml`);
  const other = own.find(({ at }) => at.file === file);
  if (other === undefined) return file;
  throw new RefusedError(`${file} holds filter ${quote(other.name)}: give that file another name`);
}

/** As `virsh nwfilter-undefine`. */
export async function runFilterUndefine(
  settings: Settings,
  output: Output,
  word: string,
): Promise<ExitStatus> {
  const known = findFilter(await readFilters(settings), word);
  if (known === undefined) return complainUnknown(output, word);
  const { filter, from } = known;
  const { name } = filter;
  const told = `Failed to undefine network filter ${name}`;
  if (from !== "virtwall") {
    const whose =
      from === "stock" ? "it is part of virtwall" : "it is libvirt's: virsh nwfilter-undefine";
    return complain(output, `${told}: ${whose}`);
  }
  await refuseOtherDaemon(settings);
  const { file } = filter.at;
  const { problems, texts, after } = await fresh(settings, { filter: { file, text: undefined } });
  const isGone = !after.written.inventory.filters?.has(name);
  const users = isGone ? filterUsers(after.written, name) : [];
  if (hasErrors(problems) || users.length > 0) {
    if (settings.json) {
      printJson(output, { name, file: null, problems, daemon: null } satisfies DefineResult);
    } else {
      output.err(printProblems(problems, texts));
      output.err(`virtwall: ${told}: nwfilter is in use\n`);
      output.err(users.map((user) => `used by ${user}\n`).join(""));
    }
    return exitStatus.problems;
  }
  const before = await readFile(file, "utf8");
  await remove(file);
  const result = { name, file, problems };
  return finish(settings, output, { result, done: "undefined", undo: () => write(file, before) });
}

interface Finish {
  readonly result: Omit<DefineResult, "daemon">;
  readonly done: string;
  readonly undo: () => Promise<void>;
}

/** What is not in force where a daemon runs is not written either: then everything is as it was. */
async function finish(
  settings: Settings,
  output: Output,
  { result, done, undo }: Finish,
): Promise<ExitStatus> {
  const daemon = await reloadDaemon(settings, null);
  if (daemon?.state === "failed") {
    await undo();
    await reloadDaemon(settings, null);
    throw new RefusedError(
      `${daemon.error ?? "the daemon could not apply it"}; nothing was changed`,
    );
  }
  if (daemon?.state === "last-good") {
    await undo();
    const kept = await reloadDaemon(settings, null);
    if (settings.json) {
      const { problems } = daemon;
      printJson(output, { ...result, file: null, problems, daemon: kept } satisfies DefineResult);
    } else {
      output.err(printProblems(daemon.problems.filter(isError), new Map()));
      output.err(`virtwall: ${outcomeOf(daemon, false)}; nothing was changed\n`);
    }
    return exitStatus.problems;
  }
  if (settings.json) printJson(output, { ...result, daemon } satisfies DefineResult);
  else {
    output.out(`Network filter ${result.name} ${done}\n\n`);
    if (daemon?.state !== "converged") output.err(`${outcomeOf(daemon, false)}\n`);
  }
  return exitStatus.ok;
}

function isError({ severity }: Problem): boolean {
  return severity === "error";
}

/** One that follows another policy would not read what is written here. */
async function refuseOtherDaemon({ daemonSocket, policyFile }: Settings): Promise<void> {
  const reply = await askDaemon(daemonSocket, { request: "status" });
  if (reply?.kind !== "status") return;
  const followed = reply.status.daemon?.policyFile;
  if (followed === undefined || followed === resolve(policyFile)) return;
  throw new RefusedError(`the daemon follows another policy (${followed}): name it with --policy`);
}

async function write(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeAtomically(file, text);
  } catch (cause) {
    throw new RefusedError(`cannot write ${file}: ${(cause as Error).message}`, { cause });
  }
}

async function remove(file: string): Promise<void> {
  try {
    await rm(file);
  } catch (cause) {
    throw new RefusedError(`cannot remove ${file}: ${(cause as Error).message}`, { cause });
  }
}
