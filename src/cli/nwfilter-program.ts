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
  addAdopt({ ...builder, add });
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
