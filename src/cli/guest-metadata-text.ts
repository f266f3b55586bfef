import type { Problem } from "../model/problem.ts";
import { parseGuestElement } from "../parse/guest-metadata.ts";
import { parseXmlText } from "../parse/xml.ts";
import { imagine, type Collected } from "./collect.ts";
import { hasErrors } from "./print-problems.ts";
import type { Settings } from "./settings.ts";

/** Under which name problems speak of it. */
export const metadataFile = "metadata";

/** Our element in a guest's metadata, as `virsh metadata` shows it. */
export function readMetadata(text: string, guest: string): ReturnType<typeof parseGuestElement> {
  const parsed = parseXmlText({ file: metadataFile, text }, "guest");
  if ("root" in parsed) return parseGuestElement(parsed.root, guest);
  const { at, message } = parsed.fault;
  return { own: undefined, problems: [{ code: "BAD_METADATA", severity: "error", at, message }] };
}

/** What would be wrong with a new text, alone and beside everything else. */
export async function examineMetadata(
  settings: Settings,
  { name, uuid, text }: { readonly name: string; readonly uuid: string; readonly text: string },
): Promise<readonly Problem[]> {
  const { own, problems } =
    text === "" ? { own: undefined, problems: [] } : readMetadata(text, name);
  if (hasErrors(problems)) return problems;
  const { decision }: Collected = await imagine(settings, { own: { name, uuid, own } });
  return decision.problems.filter(({ at }) => at.file === metadataFile);
}
