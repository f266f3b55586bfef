import { resolve } from "node:path";
import { PolicyFiles } from "../edge/files/policy-files.ts";
import { askDaemon, askParts } from "../edge/socket/daemon-client.ts";
import type { Problem } from "../model/problem.ts";
import type { PublicationState } from "../model/state.ts";
import type { SourceText } from "../model/source-text.ts";
import type { ReloadResult } from "../wire/daemon-protocol.ts";
import { printColumns } from "./columns.ts";
import {
  addPublication,
  namesGuest,
  removePublication,
  type PublicationEdit,
} from "./edit-publications.ts";
import { examineEdit, publishedKey, type ExaminedEdit } from "./examine-edit.ts";
import { ComplaintError, exitStatus, type ExitStatus } from "./exit-status.ts";
import { printJson, type Output } from "./output.ts";
import { hasErrors, printProblems, verdictOf } from "./print-problems.ts";
import { mappingOf, publicationRows } from "./print-status.ts";
import { saveFile } from "./save-file.ts";
import type { Settings } from "./settings.ts";
import { toTheEnd } from "./stoppable.ts";

/** The body of `virtwall publish add --json` and of `remove`. */
export interface PublishResult {
  /** The policy file that was written; null where nothing was. */
  readonly file: string | null;
  /** The UUID of the guest whose XML was written, with `--in-guest`. */
  readonly guest: string | null;
  readonly problems: readonly Problem[];
  /** What the daemon did with it; null where none runs. */
  readonly daemon: ReloadResult | null;
}

export async function runPublishList(settings: Settings, output: Output): Promise<ExitStatus> {
  const { publications, problems } = await listPublications(settings, output);
  if (settings.json) printJson(output, { publications });
  else if (publications.length === 0) output.out("nothing is published\n");
  else output.out(printColumns(publicationRows(publications, problems), ""));
  return exitStatus.ok;
}

interface Listed {
  readonly publications: readonly PublicationState[];
  readonly problems: readonly Problem[];
}

async function listPublications(settings: Settings, output: Output): Promise<Listed> {
  const told = await askParts(settings.daemonSocket, "policy", "publications");
  if (told !== undefined) {
    const { policy, publications } = told;
    if (policy.inForce === "none") throw nothingInForce(policy.problems);
    return { publications, problems: policy.problems };
  }
  const { collect } = await import("./collect.ts");
  const { decision } = await collect(settings);
  if (!decision.desired) throw nothingInForce(decision.problems);
  if (!settings.json)
    output.err("no daemon runs: so the policy has it; virtwall diff tells what lacks\n");
  return { publications: decision.desired.compiled.publications, problems: decision.problems };
}

function nothingInForce(problems: readonly Problem[]): ComplaintError {
  return new ComplaintError(
    `nothing is in force: the policy has ${verdictOf(problems)}: virtwall check`,
  );
}

export async function runPublishAdd(
  settings: Settings,
  output: Output,
  edit: PublicationEdit,
): Promise<ExitStatus> {
  const files = await new PolicyFiles(settings.policyFile).read();
  const file =
    files.find(({ text }) => namesGuest(text, edit.guest)) ??
    files.find((text) => text.file === settings.policyFile);
  const changed = {
    file: file?.file ?? settings.policyFile,
    text: addPublication(file?.text ?? "", edit),
  };
  const examined = await examineEdit(settings, { files, changed, guest: edit.guest });
  const present = edit.ports.find((ports) => examined.published.has(keyOf(edit, ports)));
  if (present !== undefined) {
    throw new ComplaintError(`${edit.guest} publishes ${present}${placeOf(edit)} already`);
  }
  return write(settings, output, { edit, examined, changed, verb: "add" });
}

export async function runPublishRemove(
  settings: Settings,
  output: Output,
  edit: PublicationEdit,
): Promise<ExitStatus> {
  const files = await new PolicyFiles(settings.policyFile).read();
  for (const { file, text } of files) {
    const removed = removePublication(text, edit);
    if (removed === undefined) continue;
    const changed = { file, text: removed };
    const examined = await examineEdit(settings, { files, changed, guest: edit.guest });
    return write(settings, output, { edit, examined, changed, verb: "remove" });
  }
  const what = `${edit.ports.join(", ")}${placeOf(edit)}`;
  const advice = "see virtwall publish list; what stands in the guest's XML goes with --in-guest";
  throw new ComplaintError(`no policy file publishes ${what} of ${edit.guest}: ${advice}`);
}

function keyOf({ address }: PublicationEdit, ports: string): string {
  return publishedKey(address, ports);
}

export function describeEdit(edit: PublicationEdit): string {
  return `${edit.guest} ${edit.ports.join(", ")}${placeOf(edit)}`;
}

function placeOf(edit: PublicationEdit): string {
  return edit.address === undefined ? "" : ` on ${edit.address}`;
}

interface Change {
  readonly edit: PublicationEdit;
  readonly examined: ExaminedEdit;
  readonly changed: SourceText;
  readonly verb: "add" | "remove";
}

/** Writes the file if the whole policy has no error then, and has the daemon take it up. */
async function write(settings: Settings, output: Output, change: Change): Promise<ExitStatus> {
  const { edit, changed, verb, examined } = change;
  const { problems } = examined;
  const texts = new Map(examined.files.map(({ file, text }) => [file, text]));
  const before = new Set(examined.before.map(wordsOf));
  // A guest whose own XML has a mistake holds up nobody else.
  const isOurs = (problem: Problem) => texts.has(problem.at.file) || !before.has(wordsOf(problem));
  if (hasErrors(problems.filter(isOurs))) {
    const result: PublishResult = { file: null, guest: null, problems, daemon: null };
    if (settings.json) printJson(output, result);
    else {
      output.err(printProblems(problems, texts));
      output.err(`${verdictOf(problems)}: ${changed.file} is left as it is\n`);
    }
    return exitStatus.problems;
  }
  const fresh = problems.filter((problem) => !before.has(wordsOf(problem)));
  if (!settings.json) output.err(printProblems(fresh, texts));
  return toTheEnd(output, async () => {
    await saveFile(changed.file, changed.text);
    return finishEdit(settings, output, { edit, verb, problems, place: changed.file, guest: null });
  });
}

interface Edited {
  readonly edit: PublicationEdit;
  readonly verb: "add" | "remove";
  readonly problems: readonly Problem[];
  /** The policy file; with `guest` words for where it stands. */
  readonly place: string;
  readonly guest: string | null;
}

/** What is written is taken up by the daemon, and the outcome is told. */
export async function finishEdit(
  settings: Settings,
  output: Output,
  { edit, verb, problems, place, guest }: Edited,
): Promise<ExitStatus> {
  const file = guest === null ? place : null;
  const { daemon, publications } = await takeUp(settings, file, edit.guest);
  if (settings.json) {
    printJson(output, { file, guest, problems, daemon } satisfies PublishResult);
  } else {
    const verbed = verb === "add" ? "published" : "removed";
    const rows = verb === "add" ? publications.filter((each) => isOfEdit(each, edit)) : [];
    const isPending = rows.length > 0 && rows.every(({ state }) => state === "pending");
    output.out(`${verbed} ${describeEdit(edit)} (in ${place})\n${outcomeOf(daemon, isPending)}\n`);
    output.out(printColumns(publicationRows(rows, problems)));
  }
  return daemon?.state === "failed" ? exitStatus.refused : exitStatus.ok;
}

export async function reloadDaemon(settings: Settings): Promise<ReloadResult | null> {
  const reply = await askDaemon(settings.daemonSocket, { request: "reload" });
  return reply?.kind === "reload" ? reply.result : null;
}

interface TakenUp {
  readonly daemon: ReloadResult | null;
  /** Of the guest. */
  readonly publications: readonly PublicationState[];
}

/** With a file: it alone has changed. A daemon that follows another policy converges too, but not on what this file says. */
async function takeUp(settings: Settings, file: string | null, guest: string): Promise<TakenUp> {
  const reply = await askDaemon(settings.daemonSocket, {
    request: "reload",
    guest,
    ...(file !== null && { only: "policy" }),
  });
  if (reply?.kind !== "reload") return { daemon: null, publications: [] };
  const { result, policyFiles, publications } = reply;
  if (file === null || policyFiles.includes(resolve(file))) return { daemon: result, publications };
  const theirs = policyFiles.length === 0 ? "an empty one" : policyFiles.join(", ");
  const error = `the daemon follows another policy (${theirs}): name it with --policy`;
  return { daemon: { ...result, state: "failed", error }, publications };
}

function wordsOf(problem: Problem): string {
  return `${problem.code} ${problem.message}`;
}

function isOfEdit(publication: PublicationState, edit: PublicationEdit): boolean {
  return publication.address === edit.address && edit.ports.includes(mappingOf(publication));
}

export function outcomeOf(daemon: ReloadResult | null, isPending: boolean): string {
  if (!daemon) return "no daemon runs: `virtwall apply` puts it into the kernel";
  switch (daemon.state) {
    case "converged":
      return isPending
        ? "pending: the daemon has taken it up, and opens it when it can"
        : "in force: the daemon has applied it";
    case "last-good":
      return "not in force: the daemon keeps the last good policy, see virtwall status";
    case "failed":
      return `not in force: ${daemon.error ?? "the daemon could not apply it"}`;
  }
}
