import { readFile, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ownFilterFolder } from "../edge/libvirt/open-sources.ts";
import { askParts } from "../edge/socket/daemon-client.ts";
import { quote } from "../base/quote.ts";
import { reasonOf } from "../base/reason-of.ts";
import type { Filter } from "../model/filter.ts";
import type { Problem } from "../model/problem.ts";
import { parseFilterXml } from "../parse/filter-xml.ts";
import { printFilterXml } from "../parse/print-filter.ts";
import type { ReloadResult } from "../wire/daemon-protocol.ts";
import { imagine, type Imagined } from "./collect.ts";
import { ComplaintError, exitStatus, RefusedError, type ExitStatus } from "./exit-status.ts";
import { filterUsers } from "./filter-users.ts";
import { printJson, type Output } from "./output.ts";
import { hasErrors, printProblems, readTexts } from "./print-problems.ts";
import { outcomeOf, reloadDaemon } from "./publish.ts";
import { readGivenFile } from "./read-given-file.ts";
import {
  findFilter,
  readBrokenFilters,
  readFilters,
  unknownFilter,
  uuidOf,
  type KnownFilter,
} from "./read-filters.ts";
import { saveFile } from "./save-file.ts";
import type { Settings } from "./settings.ts";
import { toTheEnd } from "./stoppable.ts";

/** The body of `virtwall nwfilter define --json`. */
export interface DefineResult {
  readonly name: string;
  /** The file that was written or removed; null where nothing was. */
  readonly file: string | null;
  readonly problems: readonly Problem[];
  /** What the daemon did with it; null where none runs. */
  readonly daemon: ReloadResult | null;
}

/** The body of `virtwall nwfilter undefine --json`. */
interface UndefineResult extends DefineResult {
  /** Who keeps it from being undefined, in words. */
  readonly users: readonly string[];
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
  const text = await readGivenFile(file);
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
  const { problems, file, text, texts } = judged;
  const before = await bytesOf(file);
  if (!settings.json) output.err(printProblems(problems, texts));
  return toTheEnd(output, async () => {
    await saveFile(file, text);
    const undo = () => (before === undefined ? remove(file) : saveFile(file, before));
    return finish(settings, output, { result: { name, file, problems }, done, undo });
  });
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
  const broken = await readBrokenFilters(settings);
  const file = broken.get(name) ?? fileOf(filter, known, ownFilterFolder(settings.policyFile));
  // Places are those in the text at hand, if that is what is written.
  const by = { file: kept === text ? source : `${source}, as libvirt reads it`, text: kept };
  const found = await fresh(settings, { filter: { file } }, { filter: { file, by } });
  const own = parsed.problems.filter(({ severity }) => severity === "warning");
  const problems = [...own, ...found.problems.filter((problem) => !isAmong(problem, own))];
  const all = new Map([...found.texts, ...texts]);
  if (hasErrors(problems)) return { name, problems, texts: all };
  return { name, problems, texts: all, file, text: kept };
}

/** Problems that are there after and are not before. */
async function fresh(settings: Settings, earlier: Imagined, later: Imagined) {
  const [before, after] = [await imagine(settings, earlier), await imagine(settings, later)];
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
  const { name, file } = await findDefinition(settings, word);
  const told = `Failed to undefine network filter ${name}`;
  await refuseOtherDaemon(settings);
  const { problems: found, texts, after } = await fresh(settings, {}, { filter: { file } });
  const isGone = !after.written.inventory.filters?.has(name);
  const users = isGone ? filterUsers(after.written, name) : [];
  // That its users would miss it says no more than who they are.
  const problems = users.length > 0 ? [] : found;
  if (hasErrors(problems) || users.length > 0) {
    if (settings.json) {
      const result = { name, file: null, problems, users, daemon: null };
      printJson(output, result satisfies UndefineResult);
    } else {
      output.err(printProblems(problems, texts));
      output.err(`virtwall: ${told}${users.length > 0 ? ": nwfilter is in use" : ""}\n`);
      output.err(users.map((user) => `used by ${user}\n`).join(""));
    }
    return exitStatus.problems;
  }
  // Whatever it is, a link too, comes back as the same; and it is still there should this process be killed.
  const aside = `${file}.undefined`;
  return toTheEnd(output, async () => {
    await move(file, aside);
    const undo = () => move(aside, file);
    const result = { name, file, problems, users };
    const status = await finish(settings, output, { result, done: "undefined", undo });
    if (status === exitStatus.ok) await remove(aside);
    return status;
  });
}

/** Of virtwall's own, one with errors too. */
async function findDefinition(
  settings: Settings,
  word: string,
): Promise<{ readonly name: string; readonly file: string }> {
  const broken = (await readBrokenFilters(settings)).get(word);
  if (broken !== undefined) return { name: word, file: broken };
  const known = findFilter(await readFilters(settings), word);
  if (known === undefined) throw unknownFilter(word);
  const { name, at } = known.filter;
  if (known.from === "virtwall") return { name, file: at.file };
  const whose =
    known.from === "stock" ? "it is part of virtwall" : "it is libvirt's: virsh nwfilter-undefine";
  throw new ComplaintError(`Failed to undefine network filter ${name}: ${whose}`);
}

interface Finish {
  readonly result: Omit<DefineResult, "daemon"> | Omit<UndefineResult, "daemon">;
  readonly done: string;
  readonly undo: () => Promise<void>;
}

/** What is not in force where a daemon runs is not written either: then everything is as it was. */
async function finish(
  settings: Settings,
  output: Output,
  { result, done, undo }: Finish,
): Promise<ExitStatus> {
  const daemon = await reloadDaemon(settings);
  if (daemon?.state === "failed") {
    await undo();
    await reloadDaemon(settings);
    throw new RefusedError(
      `${daemon.error ?? "the daemon could not apply it"}; nothing was changed`,
    );
  }
  if (daemon?.state === "last-good") {
    await undo();
    const kept = await reloadDaemon(settings);
    if (settings.json) {
      const { problems } = daemon;
      printJson(output, { ...result, file: null, problems, daemon: kept } satisfies DefineResult);
    } else {
      const errors = daemon.problems.filter(isError);
      output.err(printProblems(errors, await readTexts(errors)));
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
  const told = await askParts(daemonSocket, "daemon");
  const followed = told?.daemon?.policyFile;
  if (followed === undefined || followed === resolve(policyFile)) return;
  throw new RefusedError(`the daemon follows another policy (${followed}): name it with --policy`);
}

/** Undefined where there is no file. */
async function bytesOf(file: string): Promise<Buffer | undefined> {
  return readFile(file).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw new RefusedError(`cannot read ${file}: ${reasonOf(cause)}`, { cause });
  });
}

async function remove(file: string): Promise<void> {
  await rm(file).catch((cause) => cannotRemove(file, cause));
}

async function move(file: string, to: string): Promise<void> {
  await rename(file, to).catch((cause) => cannotRemove(file, cause));
}

function cannotRemove(file: string, cause: Error): never {
  throw new RefusedError(`cannot remove ${file}: ${reasonOf(cause)}`, { cause });
}
