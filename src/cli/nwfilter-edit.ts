import { Draft } from "../edge/files/draft.ts";
import { ProcessError } from "../edge/host/systemctl.ts";
import { readText } from "../edge/files/read-folder.ts";
import { printFilterXml } from "../parse/print-filter.ts";
import { ComplaintError, exitStatus, UsageError, type ExitStatus } from "./exit-status.ts";
import { define } from "./nwfilter-define.ts";
import type { Output } from "./output.ts";
import { findFilter, readFilters, unknownFilter, type KnownFilter } from "./read-filters.ts";
import type { Settings } from "./settings.ts";
import { openTerminal } from "./terminal.ts";

/** As `virsh nwfilter-edit`. What libvirt or everybody has becomes a definition of virtwall's own; a text that does not is kept. */
export async function runFilterEdit(
  settings: Settings,
  output: Output,
  { word, isCompat }: { readonly word: string; readonly isCompat: boolean },
): Promise<ExitStatus> {
  if (settings.json) throw new UsageError("edit asks a person: use nwfilter define");
  const known = findFilter(await readFilters(settings), word);
  if (known === undefined) throw unknownFilter(word);
  const before = textOf(known);
  const draft = await Draft.make(before, "filter.xml");
  let status: ExitStatus | undefined;
  try {
    status = await edit(settings, output, { known, before, draft, isCompat });
    return status;
  } finally {
    const written = await draft.read().catch(() => before);
    if (status === exitStatus.ok || written === before) await draft.remove();
    else output.err(`what you wrote is kept in ${draft.file}\n`);
  }
}

interface Edit {
  readonly known: KnownFilter;
  readonly before: string;
  readonly draft: Draft;
  readonly isCompat: boolean;
}

/** Until the text is right, or nobody wants to go on. */
async function edit(
  settings: Settings,
  output: Output,
  { known, before, draft, isCompat }: Edit,
): Promise<ExitStatus> {
  const { name } = known.filter;
  for (;;) {
    await draft.edit().catch((error: Error) => {
      // As with virsh that changes nothing, and is no refusal of the machine.
      throw error instanceof ProcessError ? new ComplaintError(error.message) : error;
    });
    const text = await draft.read();
    if (text === before) {
      output.out(`Network filter ${name} XML configuration not changed.\n\n`);
      return exitStatus.ok;
    }
    const now = findFilter(await readFilters(settings), name);
    if (now === undefined || textOf(now) !== before) {
      // In virsh's words (virsh-edit.c).
      throw new ComplaintError("the XML configuration was changed by another user");
    }
    const status = await define(settings, output, {
      definition: { file: `${name}.xml`, text, isCompat },
      told: `Failed to define network filter ${name}`,
      done: "XML configuration edited.",
    });
    if (status !== exitStatus.problems || !(await wantsAgain())) return status;
  }
}

/** A definition of our own as it was written, comments and all. */
function textOf({ filter, uuid, from }: KnownFilter): string {
  const own = from === "virtwall" ? readText(filter.at.file)?.text : undefined;
  return own ?? printFilterXml({ ...filter, uuid });
}

async function wantsAgain(): Promise<boolean> {
  const terminal = openTerminal();
  try {
    return (
      terminal !== undefined && /^y/i.test(await terminal.ask("Failed. Try again (y/n)?", "y"))
    );
  } finally {
    terminal?.close();
  }
}
