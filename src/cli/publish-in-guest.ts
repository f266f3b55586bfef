import { MetadataStore, type DefinedGuest } from "../edge/libvirt/metadata-store.ts";
import type { GuestPolicy } from "../model/policy.ts";
import type { Problem } from "../model/problem.ts";
import { guestNamespace, parseGuestElement } from "../parse/guest-metadata.ts";
import { parseXmlText } from "../parse/xml.ts";
import { imagine } from "./collect.ts";
import { addToMetadata, removeFromMetadata } from "./edit-metadata.ts";
import type { PublicationEdit } from "./edit-publications.ts";
import { exitStatus, UsageError, type ExitStatus } from "./exit-status.ts";
import { printJson, type Output } from "./output.ts";
import { hasErrors, printProblems, verdictOf } from "./print-problems.ts";
import { formatMapping } from "./print-status.ts";
import { complain, describeEdit, finishEdit, type PublishResult } from "./publish.ts";
import type { Settings } from "./settings.ts";

/** Publishes in the guest's own XML, so that it goes where the guest goes. */
export async function runPublishInGuest(
  settings: Settings,
  output: Output,
  { edit, verb }: { readonly edit: PublicationEdit; readonly verb: "add" | "remove" },
): Promise<ExitStatus> {
  if (settings.inventoryFolder !== undefined) {
    throw new UsageError("--in-guest needs a libvirt, not a folder that stands for one");
  }
  const store = new MetadataStore(settings.connectUri, guestNamespace);
  const guest = await store.find(edit.guest);
  if (guest === undefined) return complain(output, `libvirt knows no guest ${edit.guest}`);
  const text = await store.read(guest);
  const present = text === undefined ? undefined : read(text, edit.guest);
  const taken = edit.ports.find((ports) => present?.own && publishes(present.own, edit, ports));
  if (verb === "add" && taken !== undefined) {
    return complain(output, `${describeEdit({ ...edit, ports: [taken] })} is published already`);
  }
  const next = verb === "add" ? addToMetadata(text, edit) : removeFromMetadata(text ?? "", edit);
  if (next === undefined) {
    return complain(output, `${edit.guest} does not publish ${edit.ports.join(", ")} in its XML`);
  }
  const problems = await examine(settings, edit.guest, { guest, text: next });
  const file = `the metadata of ${edit.guest}`;
  if (hasErrors(problems)) {
    const result: PublishResult = { file: null, guest: null, problems, daemon: null };
    if (settings.json) printJson(output, result);
    else {
      output.err(printProblems(problems, new Map([[metadataFile, next]])));
      output.err(`${verdictOf(problems)}: ${file} is left as it is\n`);
    }
    return exitStatus.problems;
  }
  await store.write(guest, next === "" ? undefined : next);
  return finishEdit(settings, output, { edit, verb, problems, place: file, guest: guest.uuid });
}

/** Under which name problems speak of it. */
const metadataFile = "metadata";

function read(text: string, name: string): ReturnType<typeof parseGuestElement> {
  const parsed = parseXmlText({ file: metadataFile, text }, "guest");
  if ("root" in parsed) return parseGuestElement(parsed.root, name);
  const { at, message } = parsed.fault;
  return { own: undefined, problems: [{ code: "BAD_METADATA", severity: "error", at, message }] };
}

function publishes(own: GuestPolicy, edit: PublicationEdit, wanted: string): boolean {
  return own.publish.some(
    ({ address, ports }) =>
      address === edit.address && ports.some((mapping) => formatMapping(mapping) === wanted),
  );
}

/** What would be wrong with the new text, alone and beside everything else. */
async function examine(
  settings: Settings,
  name: string,
  { guest, text }: { readonly guest: DefinedGuest; readonly text: string },
): Promise<readonly Problem[]> {
  const { own, problems } = text === "" ? { own: undefined, problems: [] } : read(text, name);
  if (hasErrors(problems)) return problems;
  const { decision } = await imagine(settings, { own: { name, uuid: guest.uuid, own } });
  return decision.problems.filter(({ at }) => at.file === metadataFile);
}
