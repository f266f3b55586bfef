import { Argument, type Command } from "commander";
import { addCommand, type Builder } from "./builder.ts";

/** Commands by which virtwall settles on a host. */
export function addInstalling(builder: Builder, program: Command): void {
  addHook(builder);
  addCompletion(builder, program);
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
