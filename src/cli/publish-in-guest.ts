import { VirshGuests } from "../edge/libvirt/virsh-guests.ts";
import type { GuestPolicy } from "../model/policy.ts";
import { guestNamespace } from "../parse/guest-metadata.ts";
import { sidesOf } from "../ports/guests.ts";
import { addToMetadata, removeFromMetadata } from "./edit-metadata.ts";
import type { PublicationEdit } from "./edit-publications.ts";
import { ComplaintError, exitStatus, UsageError, type ExitStatus } from "./exit-status.ts";
import { examineMetadata, metadataFile, readMetadata } from "./guest-metadata-text.ts";
import { printJson, type Output } from "./output.ts";
import { hasErrors, printProblems, verdictOf } from "./print-problems.ts";
import { formatMapping } from "./print-status.ts";
import { describeEdit, finishEdit, type PublishResult } from "./publish.ts";
import type { Settings } from "./settings.ts";
import { toTheEnd } from "./stoppable.ts";

/** Publishes in the guest's own XML, so that it goes where the guest goes. */
export async function runPublishInGuest(
  settings: Settings,
  output: Output,
  { edit, verb }: { readonly edit: PublicationEdit; readonly verb: "add" | "remove" },
): Promise<ExitStatus> {
  if (settings.inventoryFolder !== undefined) {
    throw new UsageError("--in-guest needs a libvirt, not a folder that stands for one");
  }
  const guests = new VirshGuests(settings.connectUri, guestNamespace);
  const guest = await guests.find(edit.guest);
  if (guest === undefined) throw new ComplaintError(`libvirt knows no guest ${edit.guest}`);
  const text = await guests.metadata(guest.uuid, guest.isRunning ? "live" : "config");
  const present = text === undefined ? undefined : readMetadata(text, edit.guest);
  const taken = edit.ports.find((ports) => present?.own && publishes(present.own, edit, ports));
  if (verb === "add" && taken !== undefined) {
    throw new ComplaintError(`${describeEdit({ ...edit, ports: [taken] })} is published already`);
  }
  const next = verb === "add" ? addToMetadata(text, edit) : removeFromMetadata(text ?? "", edit);
  if (next === undefined) {
    throw new ComplaintError(`${edit.guest} does not publish ${edit.ports.join(", ")} in its XML`);
  }
  const problems = await examineMetadata(settings, {
    name: edit.guest,
    uuid: guest.uuid,
    text: next,
  });
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
  return toTheEnd(output, async () => {
    for (const side of sidesOf(guest)) {
      await guests.setMetadata(guest.uuid, side, next === "" ? undefined : next);
    }
    return finishEdit(settings, output, { edit, verb, problems, place: file, guest: guest.uuid });
  });
}

function publishes(own: GuestPolicy, edit: PublicationEdit, wanted: string): boolean {
  return own.publish.some(
    ({ address, ports }) =>
      address === edit.address && ports.some((mapping) => formatMapping(mapping) === wanted),
  );
}
