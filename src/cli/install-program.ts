import { Argument, Option, type Command } from "commander";
import { defined } from "../base/defined.ts";
import { addCommand, type Builder } from "./builder.ts";
import type { SetupOptions } from "./setup-questions.ts";

/** Commands by which virtwall settles on a host. */
export function addInstalling(builder: Builder, program: Command): void {
  addSetup(builder);
  addHook(builder);
  addCompletion(builder, program);
}

function addSetup({ add, run, output }: Builder): void {
  run(
    add("setup", "ask what matters, write a policy and apply it", "virtwall setup")
      .addOption(
        new Option("--integration <mode>", "pass rules in other firewalls").choices([
          "auto",
          "print",
          "off",
        ]),
      )
      .option("--uplinks <names>", "interfaces that face outside, with commas")
      .option("--services <list>", "what may reach the host itself, as tcp/22,icmp, all or none")
      .option("--from <list>", "who may: prefixes with commas, or everybody")
      .option("--no-hooks", "install no hooks")
      .option("--no-import", "take over nothing that hook scripts publish")
      .option("--replace", "write another policy where there is one")
      .option("--yes", "ask nothing: what no option says is as usual")
      .option("--hooks-dir <dir>", "libvirt's hooks (default: /etc/libvirt/hooks)"),
    async ({ settings, own }) =>
      (await import("./setup.ts")).runSetup(settings, output, readSetupOptions(own)),
  );
}

function readSetupOptions(own: Readonly<Record<string, unknown>>): SetupOptions {
  const { integration, uplinks, services, from, hooksDir } = own as Record<string, string>;
  return {
    ...(own["hooks"] === false && { hooks: false }),
    ...(own["import"] === false && { imports: false }),
    ...defined({ integration, uplinks, services, from, hooksFolder: hooksDir }),
    mayReplace: own["replace"] === true,
    isYes: own["yes"] === true,
  } as SetupOptions;
}

function addHook({ add, run, output }: Builder): void {
  const hook = add(
    "hook",
    "let libvirt tell the daemon of guests before they start",
    "virtwall hook install",
  );
  const verbs = {
    install: "write our hooks beside the admin's own",
    uninstall: "take our hooks away",
    status: "tell whether our hooks are there, and whether libvirt sees them",
  } as const;
  for (const verb of ["install", "uninstall", "status"] as const) {
    run(
      addCommand(hook, output, {
        line: verb,
        description: verbs[verb],
        example: `virtwall hook ${verb}`,
      }).option("--hooks-dir <dir>", "libvirt's hooks (default: /etc/libvirt/hooks)"),
      async ({ settings, own }) =>
        (await import("./hook.ts")).runHook(settings, output, {
          verb,
          ...(typeof own["hooksDir"] === "string" && { hooksFolder: own["hooksDir"] }),
        }),
    );
  }
}

function addCompletion({ add, run, output }: Builder, program: Command): void {
  run(
    add(
      "completion",
      "print what a shell loads to complete commands and options",
      "virtwall completion bash >/etc/bash_completion.d/virtwall",
    ).addArgument(new Argument("<shell>", "of whom types").choices(["bash", "zsh", "fish"])),
    async ({ args }) =>
      (await import("./completion.ts")).runCompletion(program, output, String(args[0])),
  );
}
