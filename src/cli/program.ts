import { Command, Option } from "commander";
import packageFile from "../../package.json" with { type: "json" };
import { parseAddress } from "../base/address.ts";
import { addCommand, configure, type Builder, type Call } from "./builder.ts";
import type { PublicationEdit } from "./edit-publications.ts";
import { UsageError, type ExitStatus } from "./exit-status.ts";
import type { Output } from "./output.ts";
import { addInstalling } from "./install-program.ts";
import { addNwfilter } from "./nwfilter-program.ts";
import { addViews } from "./view-program.ts";
import { readSettings, type GlobalOptions } from "./settings.ts";

/** The command line. Each command's code is loaded when it runs, so that `--help` is quick. */
export function buildProgram(output: Output, finish: (status: ExitStatus) => void): Command {
  const program = configure(new Command("virtwall"), output)
    .description("The firewall for libvirt/KVM hosts")
    .version(packageFile.version)
    .addHelpText(
      "after",
      "\nExample:\n  virtwall publish add web1 tcp/80 --address 203.0.113.10\n" +
        "\nExit status: 0 ok, 1 problems found, 2 wrong usage, 3 the machine refused, 4 drift",
    );
  const builder: Builder = {
    output,
    add: (line, description, example) =>
      addCommand(program, output, { line, description, example }),
    run: (command, action) =>
      command.action(async () => {
        const settings = readSettings(command.optsWithGlobals<GlobalOptions>());
        finish(await action({ settings, args: command.processedArgs, own: command.opts() }));
      }),
  };
  addReadingCommands(builder);
  addDiff(builder);
  addKernelCommands(builder);
  addDaemonCommands(builder);
  addPublishCommands(builder);
  addIntegrate(builder);
  addAdopt(builder);
  addMigrate(builder);
  addNwfilter(builder);
  addExplain(builder);
  addViews(builder);
  addDoctor(builder);
  addInstalling(builder, program);
  addImport(builder);
  return program;
}

function addReadingCommands({ add, run, output }: Builder): void {
  run(
    add(
      "check",
      "report every problem in policy and inventory",
      "virtwall check --policy ./policy.yaml --inventory ./inventory",
    ),
    async ({ settings }) => (await import("./check.ts")).runCheck(settings, output),
  );
  run(
    add(
      "compile",
      "print the ruleset that would be applied; touches nothing",
      "virtwall compile | nft -c -f -",
    ).addOption(
      new Option("--backend <name>", "kind of ruleset")
        .choices(["nftables", "iptables"])
        .default("nftables"),
    ),
    async ({ settings, own }) =>
      (await import("./compile.ts")).runCompile(settings, output, String(own["backend"])),
  );
}

function addDiff({ add, run, output }: Builder): void {
  run(
    add(
      "diff [old] [new]",
      "compare the kernel with what is desired; 4 if they differ",
      "virtwall diff --reach ./new.yaml",
    ).option(
      "--reach",
      "compare two policies, or the one in force with one: what opens and closes",
    ),
    async ({ settings, args, own }) => {
      const named = args.filter((arg) => typeof arg === "string");
      if (own["reach"] === true) {
        return (await import("./diff-reach.ts")).runDiffReach(settings, output, named);
      }
      if (named.length > 0) throw new UsageError("policies are compared with --reach");
      return (await import("./diff.ts")).runDiff(settings, output);
    },
  );
}

function addKernelCommands({ add, run, output }: Builder): void {
  run(
    add(
      "apply",
      "bring the kernel to what is desired, in one transaction",
      "virtwall apply ./new.yaml --confirm 60",
    )
      .argument("[file]", "a policy that is to take the place of the policy file")
      .option(
        "--confirm <seconds>",
        "take it back after that time, unless virtwall confirm follows",
      )
      .addOption(
        new Option("--dry-run", "show what opens, closes and changes, write nothing").conflicts(
          "confirm",
        ),
      ),
    async ({ settings, args, own }) => {
      const [apply, confirm] = await Promise.all([import("./apply.ts"), import("./confirm.ts")]);
      const [file] = args as [string | undefined];
      const seconds = own["confirm"] as string | undefined;
      return apply.runApply(settings, output, {
        ...(file !== undefined && { file }),
        isDryRun: own["dryRun"] === true,
        ...(seconds !== undefined && { confirmSeconds: confirm.readSeconds(seconds) }),
      });
    },
  );
  run(
    add("confirm", "keep what apply --confirm has put in force", "virtwall confirm"),
    async ({ settings }) => (await import("./confirm.ts")).runConfirm(settings, output),
  );
  run(
    add(
      "rollback",
      "write and apply once more what was in force before",
      "virtwall rollback --list",
    )
      .argument("[number]", "of what was in force (default: the one before)")
      .option("--list", "show what was in force, since when and by whom")
      .addOption(new Option("--unless-confirmed").hideHelp()),
    async ({ settings, args, own }) => {
      if (own["unlessConfirmed"] === true)
        return (await import("./confirm.ts")).runUnlessConfirmed(settings, output);
      const rollback = await import("./rollback.ts");
      if (own["list"] === true) return rollback.runRollbackList(settings, output);
      return rollback.runRollback(settings, output, args[0] as string | undefined);
    },
  );
}

function addDaemonCommands({ add, run, output }: Builder): void {
  run(
    add(
      "daemon",
      "follow libvirt, policy, leases and the kernel until ended",
      "virtwall daemon --policy /etc/virtwall/policy.yaml",
    ),
    async () => (await import("./daemon.ts")).runDaemon(),
  );
  run(
    add(
      "boot",
      "put in force what was in force last, without guests: what a system runs before its networks",
      "virtwall boot",
    ),
    async ({ settings }) => (await import("./boot.ts")).runBoot(settings, output),
  );
  run(
    add("status", "show what is in force and what became of it", "virtwall status"),
    async ({ settings }) => (await import("./status.ts")).runStatus(settings, output),
  );
  run(
    add("stop", "end the daemon; the rules stay in force", "virtwall stop --clean").option(
      "--clean",
      "remove our tables and pass rules too, and end the gate",
    ),
    async ({ settings, own }) =>
      (await import("./stop.ts")).runStop(settings, output, { isClean: own["clean"] === true }),
  );
  run(
    add("events", "show what the daemon did", "virtwall events -f --json").option(
      "-f, --follow",
      "wait for more",
    ),
    async ({ settings, own }) =>
      (await import("./events.ts")).runEvents(settings, output, own["follow"] === true),
  );
}

function addPublishCommands({ add, run, output }: Builder): void {
  const publish = add(
    "publish",
    "list, add or remove port forwards to guests",
    "virtwall publish add web1 tcp/2222:22 --address 203.0.113.10",
  );
  const list = { line: "list", description: "show every publication and where it leads" };
  run(
    addCommand(publish, output, { ...list, example: "virtwall publish list --json" }),
    async ({ settings }) => (await import("./publish.ts")).runPublishList(settings, output),
  );
  const from = new Option(
    "--from <peer>",
    "who may connect: prefix, alias or group:NAME; repeatable",
  ).argParser((peer: string, before?: string[]) => [...(before ?? []), peer]);
  run(
    addCommand(publish, output, {
      line: "add <guest> <ports...>",
      description: "publish ports of a guest, as proto/public[:guest]",
      example: "virtwall publish add web1 tcp/80 tcp/2222:22 --address 203.0.113.10",
    })
      .option("--address <address>", "public address (default: all of the uplinks)")
      .addOption(from)
      .option(...inGuest),
    async (call) =>
      call.own["inGuest"] === true
        ? runInGuest(call, output, "add")
        : (await import("./publish.ts")).runPublishAdd(call.settings, output, editOf(call)),
  );
  run(
    addCommand(publish, output, {
      line: "remove <guest> <ports...>",
      description: "take publications back",
      example: "virtwall publish remove web1 tcp/2222:22",
    })
      .option("--address <address>", "only those on this address")
      .option(...inGuest),
    async (call) =>
      call.own["inGuest"] === true
        ? runInGuest(call, output, "remove")
        : (await import("./publish.ts")).runPublishRemove(call.settings, output, editOf(call)),
  );
}

const inGuest = ["--in-guest", "in the guest's own XML, not in the policy file"] as const;

async function runInGuest(call: Call, output: Output, verb: "add" | "remove"): Promise<ExitStatus> {
  const { runPublishInGuest } = await import("./publish-in-guest.ts");
  return runPublishInGuest(call.settings, output, { edit: editOf(call), verb });
}

function editOf({ args, own }: Call): PublicationEdit {
  const [guest, ports] = args as [string, string[]];
  const { address, from } = own as { address?: string; from?: string[] };
  if (address !== undefined && parseAddress(address) === undefined) {
    throw new UsageError(`${address} is not an address`);
  }
  return { guest, ports, ...(address !== undefined && { address }), from: from ?? [] };
}

function addIntegrate({ add, run, output }: Builder): void {
  run(
    add(
      "integrate",
      "write our one line into the firewall file of this host",
      "virtwall integrate --file /etc/nftables.conf --dry-run",
    )
      .option("--file <file>", "the firewall file (default: /etc/nftables.conf)")
      .option("--dry-run", "show the change, write nothing")
      .addOption(new Option("--undo", "take the line out again").conflicts("dryRun")),
    async ({ settings, own }) =>
      (await import("./integrate.ts")).runIntegrate(settings, output, {
        ...(typeof own["file"] === "string" && { file: own["file"] }),
        isDryRun: own["dryRun"] === true,
        isUndo: own["undo"] === true,
      }),
  );
}

function addImport({ add, run, output }: Builder): void {
  run(
    add(
      "import",
      "print a policy that publishes what hook scripts or other rules forward",
      "virtwall import /etc/libvirt/hooks/qemu > /etc/virtwall/policy.d/imported.yaml",
    ).argument(
      "<file...>",
      "hook script, hooks.json, iptables-save or nft listing; - for standard input",
    ),
    async ({ settings, args }) =>
      (await import("./import.ts")).runImport(settings, output, args[0] as string[]),
  );
}

function addAdopt({ add, run, output }: Builder): void {
  run(
    add(
      "adopt <network>",
      "make a network of libvirt's our own, its guests running on",
      "virtwall adopt default --dry-run",
    )
      .option("--dry-run", "show who reaches whom before and after, write nothing")
      .addOption(new Option("--undo", "give it back to libvirt").conflicts("dryRun")),
    async ({ settings, args, own }) =>
      (await import("./adopt.ts")).runAdopt(settings, output, {
        network: String(args[0]),
        isDryRun: own["dryRun"] === true,
        isUndo: own["undo"] === true,
      }),
  );
}

function addMigrate({ add, run, output }: Builder): void {
  run(
    add(
      "migrate",
      "let libvirt write its rules with nftables, or with iptables again",
      "virtwall migrate --to nftables --dry-run",
    )
      .addOption(
        new Option("--to <backend>", "with what libvirt is to write its rules")
          .choices(["nftables", "iptables"])
          .makeOptionMandatory(),
      )
      .option("--dry-run", "show who reaches whom before and after, write nothing"),
    async ({ settings, own }) =>
      (await import("./migrate.ts")).runMigrate(settings, output, {
        to: own["to"] === "iptables" ? "iptables" : "nftables",
        isDryRun: own["dryRun"] === true,
      }),
  );
}

function addExplain({ add, run, output }: Builder): void {
  const command = add(
    "explain <protocol> <from> <to>",
    "tell whether a flow arrives, which rule decides, and what to do",
    "virtwall explain tcp world 203.0.113.10:443",
  )
    .option("--in <interface>", "the interface that receives it (default: that of its route)")
    .option("--mac <address>", "the sender's MAC address, where it is not its guest's own");
  // It keeps nothing in the folder of that name.
  for (const option of command.options.filter(({ long }) => long === "--state")) {
    option.description = "of the flow: new, or established before (default: new)";
  }
  run(command, async ({ settings, args, own }) => {
    const [protocol, from, to] = args.map(String);
    const { readFlowState, runExplain } = await import("./explain.ts");
    return runExplain(settings, output, {
      words: { protocol: protocol ?? "", from: from ?? "", to: to ?? "" },
      ...(typeof own["in"] === "string" && { iif: own["in"] }),
      ...(typeof own["mac"] === "string" && { mac: own["mac"] }),
      state: readFlowState(settings.stateFolder),
    });
  });
}

function addDoctor({ add, run, output }: Builder): void {
  run(
    add(
      "doctor",
      "look for what on this host breaks guests' traffic",
      "virtwall doctor --fix forwarding",
    )
      .argument("[id...]", "look for these alone, as docs/doctor.md names them")
      .option("--fix", "mend what can be mended without harm; say what was done"),
    async ({ settings, args, own }) =>
      (await import("./doctor.ts")).runDoctor(settings, output, {
        ids: args[0] as string[],
        isFix: own["fix"] === true,
      }),
  );
}
