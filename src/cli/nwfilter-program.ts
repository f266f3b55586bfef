import { Option } from "commander";
import { addCommand, type Builder } from "./builder.ts";

/** The commands about network filters: names, arguments and output are those of `virsh nwfilter-…`. */
export function addNwfilter(builder: Builder): void {
  const nwfilter = builder.add(
    "nwfilter",
    "network filters in libvirt's language",
    "virtwall nwfilter adopt web1 --dry-run",
  );
  nwfilter.action(() => nwfilter.help({ error: true }));
  const add: Builder["add"] = (line, description, example) =>
    addCommand(nwfilter, builder.output, { line, description, example });
  addReading({ ...builder, add });
  addWriting({ ...builder, add });
  addAdopt({ ...builder, add });
}

function addReading({ add, run, output }: Builder): void {
  run(add("list", "list network filters", "virtwall nwfilter list"), async ({ settings }) =>
    (await import("./nwfilter.ts")).runFilterList(settings, output),
  );
  run(
    add("dumpxml <nwfilter>", "print a filter's XML", "virtwall nwfilter dumpxml clean-traffic"),
    async ({ settings, args }) =>
      (await import("./nwfilter.ts")).runFilterDump(settings, output, String(args[0])),
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

function addWriting({ add, run, output }: Builder): void {
  run(
    add(
      "define <file>",
      "define a filter, or define it anew for all nics that have it",
      "virtwall nwfilter define web.xml",
    ).addOption(compat()),
    async ({ settings, args, own }) =>
      (await import("./nwfilter-define.ts")).runFilterDefine(settings, output, {
        file: String(args[0]),
        isCompat: own["compat"] === true,
      }),
  );
  run(
    add(
      "undefine <nwfilter>",
      "remove a filter that nobody uses",
      "virtwall nwfilter undefine web",
    ),
    async ({ settings, args }) =>
      (await import("./nwfilter-define.ts")).runFilterUndefine(settings, output, String(args[0])),
  );
  run(
    add(
      "edit <nwfilter>",
      "change a filter's XML in $VISUAL or $EDITOR",
      "virtwall nwfilter edit web",
    ).addOption(compat()),
    async ({ settings, args, own }) =>
      (await import("./nwfilter-edit.ts")).runFilterEdit(settings, output, {
        word: String(args[0]),
        isCompat: own["compat"] === true,
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
