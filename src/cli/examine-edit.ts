import { resolve } from "node:path";
import { askDaemon, askParts } from "../edge/socket/daemon-client.ts";
import type { Address } from "../base/address.ts";
import { replaceText, type SourceText } from "../model/source-text.ts";
import type { Problem } from "../model/problem.ts";
import { SourceError } from "../ports/sources.ts";
import { formatMapping, mappingOf } from "./print-status.ts";
import type { Settings } from "./settings.ts";

/** What an edit of one policy file would mean. */
export interface ExaminedEdit {
  /** With the edit. */
  readonly files: readonly SourceText[];
  readonly problems: readonly Problem[];
  /** What is wrong without it. */
  readonly before: readonly Problem[];
  /** What the policy publishes of the guest without it, by {@link publishedKey}. */
  readonly published: ReadonlySet<string>;
}

export interface PolicyEdit {
  /** As they are written. */
  readonly files: readonly SourceText[];
  readonly changed: SourceText;
  readonly guest: string;
}

export function publishedKey(address: Address | string | undefined, ports: string): string {
  return `${address ?? ""} ${ports}`;
}

/**
 * By the daemon, which knows all that exists, or else by what can be read here; where libvirt cannot be read the policy is judged
 * alone.
 */
export async function examineEdit(settings: Settings, edit: PolicyEdit): Promise<ExaminedEdit> {
  const told = await askForProblems(settings, edit);
  return {
    files: replaceText(edit.files, edit.changed),
    ...(told ?? (await examineHere(settings, edit))),
  };
}

type Found = Omit<ExaminedEdit, "files">;

/** Undefined where no daemon runs, or it follows something else. */
async function askForProblems(settings: Settings, edit: PolicyEdit): Promise<Found | undefined> {
  if (!(await isFollowed(settings))) return undefined;
  const { changed, guest, files } = edit;
  const text = { file: resolve(changed.file), text: changed.text };
  const reply = await askDaemon(settings.daemonSocket, { request: "examine", text, guest });
  if (reply?.kind !== "examined" || reply.examined === null) return undefined;
  const { problems, before, publications } = reply.examined;
  const names = new Map([...files, changed].map(({ file }) => [resolve(file), file]));
  const asNamed = (problem: Problem): Problem => {
    const { at } = problem;
    return { ...problem, at: { ...at, file: names.get(at.file) ?? at.file } };
  };
  const written = publications.filter(({ writtenIn }) => writtenIn === "policy");
  return {
    problems: problems.map(asNamed),
    before: before.map(asNamed),
    published: new Set(written.map((each) => publishedKey(each.address, mappingOf(each)))),
  };
}

async function isFollowed({
  daemonSocket,
  policyFile,
  inventoryFolder,
}: Settings): Promise<boolean> {
  const daemon = (await askParts(daemonSocket, "daemon"))?.daemon;
  const folder = inventoryFolder && resolve(inventoryFolder);
  return daemon?.policyFile === resolve(policyFile) && daemon.inventoryFolder === folder;
}

/** Loaded where it is needed: what parses a policy takes a tenth of a second to start. */
async function examineHere(
  settings: Settings,
  { files, changed, guest }: PolicyEdit,
): Promise<Found> {
  const [{ collect, decideAnew }, { parsePolicy }] = await Promise.all([
    import("./collect.ts"),
    import("../parse/policy.ts"),
  ]);
  const { policy, problems: before } = parsePolicy(files);
  const publish = policy.guests.get(guest)?.publish ?? [];
  const published = new Set(
    publish.flatMap(({ address, ports }) =>
      ports.map((mapping) => publishedKey(address, formatMapping(mapping))),
    ),
  );
  try {
    const collected = await collect(settings, changed);
    const { ownFilters } = collected.filterTexts;
    const former = decideAnew(collected, { policy: files, ownFilters });
    return { problems: collected.decision.problems, before: former.problems, published };
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    return { problems: parsePolicy(replaceText(files, changed)).problems, before, published };
  }
}
