import { createInterface } from "node:readline/promises";
import { openEditor } from "../edge/files/open-editor.ts";
import { ProcessError } from "../edge/host/systemctl.ts";
import { readText } from "../edge/files/read-folder.ts";
import { printFilterXml } from "../parse/print-filter.ts";
import { ComplaintError, exitStatus, UsageError, type ExitStatus } from "./exit-status.ts";
import { define } from "./nwfilter-define.ts";
import type { Output } from "./output.ts";
import { findFilter, readFilters, unknownFilter, type KnownFilter } from "./read-filters.ts";
import type { Settings } from "./settings.ts";

/** As `virsh nwfilter-edit`. What libvirt or everybody has becomes a definition of virtwall's own. */
export async function runFilterEdit(
  settings: Settings,
  output: Output,
  { word, isCompat }: { readonly word: string; readonly isCompat: boolean },
): Promise<ExitStatus> {
  if (settings.json) throw new UsageError("edit asks a person: use nwfilter define");
  const known = findFilter(await readFilters(settings), word);
  if (known === undefined) throw unknownFilter(word);
  const { name } = known.filter;
  const before = textOf(known);
  let text = before;
  for (;;) {
    text = await openEditor(text, "filter.xml").catch((error: Error) => {
      // As with virsh that changes nothing, and is no refusal of the machine.
      throw error instanceof ProcessError ? new ComplaintError(error.message) : error;
    });
    if (text === before) {
      output.out(`Network filter ${name} XML configuration not changed.\n\n`);
      return exitStatus.ok;
    }
    const status = await define(settings, output, {
      definition: { file: `${name}.xml`, text, isCompat },
      told: `Failed to define network filter ${name}`,
      done: "XML configuration edited.",
    });
    if (status !== exitStatus.problems || !(await wantsAgain(output))) return status;
  }
}

/** A definition of our own as it was written, comments and all. */
function textOf({ filter, uuid, from }: KnownFilter): string {
  const own = from === "virtwall" ? readText(filter.at.file)?.text : undefined;
  return own ?? printFilterXml({ ...filter, uuid });
}

async function wantsAgain(output: Output): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  output.err("Failed. Try again? [y/n] ");
  const reader = createInterface({ input: process.stdin });
  try {
    return /^y/i.test(await reader.question(""));
  } finally {
    reader.close();
  }
}
