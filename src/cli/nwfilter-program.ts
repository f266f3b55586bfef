import { Option } from "commander";
import { addCommand, type Builder, type Call } from "./builder.ts";
import { UsageError } from "./exit-status.ts";

/** The commands about network filters: names, arguments and output are those of `virsh nwfilter-…`. */
export function addNwfilter(builder: Builder): void {
  const nwfilter = builder.add(
    "nwfilter",
    "network filters in libvirt's language",
    "virtwall nwfilter define web.xml",
  );
  const add: Builder["add"] = (line, description, example) =>
    addCommand(nwfilter, builder.output, { line, description, example });
  addReading({ ...builder, add });
  addWriting({ ...builder, add });
  addAdopt({ ...builder, add });
}

function addReading({ add, run, output }: Builder): void {
  run(
    add("list", "list network filters", "virtwall nwfilter list").option(
      "--origin",
      "show who has defined each",
    ),
    async ({ settings, own }) =>
      (await import("./nwfilter.ts")).runFilterList(settings, output, own["origin"] === true),
  );
  run(
    add("dumpxml [nwfilter]", "print a filter's XML", "virtwall nwfilter dumpxml clean-traffic")
      .usage("[options] <nwfilter>")
      .addOption(nwfilter()),
    async (call) =>
      (await import("./nwfilter.ts")).runFilterDump(
        call.settings,
        output,
        wordOf(call, "nwfilter"),
      ),
  );
  run(
    add(
      "bindings",
      "list the filters of nics, and who enforces them",
      "virtwall nwfilter bindings",
    ),
    async ({ settings }) => (await import("./nwfilter.ts")).runFilterBindings(settings, output),
  );
  run(
    add(
      "check [file...]",
      "judge definitions as if they were defined; without a file, all that are",
      "virtwall nwfilter check web.xml",
    ).addOption(compat()),
    async ({ settings, args, own }) =>
      (await import("./nwfilter-check.ts")).runFilterCheck(settings, output, {
        files: args[0] as string[],
        isCompat: own["compat"] === true,
      }),
  );
}

/** Made anew for each command: commander keeps it. */
function compat(): Option {
  return new Option("--compat", "take what libvirt takes, and understand it as libvirt does");
}

/** virsh takes its arguments by name too, and validates only when it is asked to. */
function asVirsh(flags: string): Option {
  return new Option(flags).hideHelp();
}

function nwfilter(): Option {
  return asVirsh("--nwfilter <nwfilter>");
}

function wordOf({ args, own }: Call, name: string): string {
  const word: unknown = args[0] ?? own[name];
  if (typeof word === "string") return word;
  throw new UsageError(`missing required argument '${name}'`);
}

function addWriting({ add, run, output }: Builder): void {
  run(
    add(
      "define [file]",
      "define a filter, or define it anew for all nics that have it",
      "virtwall nwfilter define web.xml",
    )
      .usage("[options] <file>")
      .addOption(compat())
      .addOption(asVirsh("--file <file>"))
      .addOption(asVirsh("--validate")),
    async (call) =>
      (await import("./nwfilter-define.ts")).runFilterDefine(call.settings, output, {
        file: wordOf(call, "file"),
        isCompat: call.own["compat"] === true,
      }),
  );
  run(
    add("undefine [nwfilter]", "remove a filter that nobody uses", "virtwall nwfilter undefine web")
      .usage("[options] <nwfilter>")
      .addOption(nwfilter()),
    async (call) =>
      (await import("./nwfilter-define.ts")).runFilterUndefine(
        call.settings,
        output,
        wordOf(call, "nwfilter"),
      ),
  );
  run(
    add(
      "edit [nwfilter]",
      "change a filter's XML in $VISUAL or $EDITOR",
      "virtwall nwfilter edit web",
    )
      .usage("[options] <nwfilter>")
      .addOption(nwfilter())
      .addOption(compat()),
    async (call) =>
      (await import("./nwfilter-edit.ts")).runFilterEdit(call.settings, output, {
        word: wordOf(call, "nwfilter"),
        isCompat: call.own["compat"] === true,
      }),
  );
}

function addAdopt({ add, run, output }: Builder): void {
  run(
    add(
      "adopt <guest>",
      "enforce the filters that libvirt enforces for a guest",
      "virtwall nwfilter adopt web1 --dry-run",
    )
      .option("--dry-run", "show what would be moved, write nothing")
      .addOption(new Option("--undo", "give them back to libvirt").conflicts("dryRun")),
    async ({ settings, args, own }) =>
      (await import("./nwfilter-adopt.ts")).runGuestAdopt(settings, output, {
        guest: String(args[0]),
        isDryRun: own["dryRun"] === true,
        isUndo: own["undo"] === true,
      }),
  );
}
