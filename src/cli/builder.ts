import { Command, Help, Option } from "commander";
import {
  defaultConnectUri,
  defaultPolicyFile,
  defaultStateFolder,
} from "../edge/files/default-paths.ts";
import { defaultDaemonSocket } from "../wire/daemon-protocol.ts";
import type { ExitStatus } from "./exit-status.ts";
import type { Output } from "./output.ts";
import type { Settings } from "./settings.ts";

/** Arguments and options of one call of a command. */
export interface Call {
  readonly settings: Settings;
  readonly args: readonly unknown[];
  readonly own: Readonly<Record<string, unknown>>;
}

/** Adds commands to the program. */
export interface Builder {
  readonly output: Output;
  add(line: string, description: string, example: string): Command;
  run(command: Command, action: (call: Call) => Promise<ExitStatus>): Command;
}

/** What every command has. */
export function configure(command: Command, output: Output): Command {
  command
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError(`(see ${pathOf(command)} --help)`)
    .configureHelp({ helpWidth: 80, groupItems: globalOptionsLast, subcommandTerm })
    .configureOutput({
      writeOut: (text) => output.out(text),
      writeErr: (text) => output.err(text.replace(/^error: /, "virtwall: ")),
    });
  for (const option of globalOptions()) command.addOption(option);
  return command;
}

/** As it is typed: `virtwall publish add`. */
function pathOf(command: Command): string {
  const { parent } = command;
  return parent === null ? command.name() : `${pathOf(parent)} ${command.name()}`;
}

function globalOptionsLast<Item extends Command | Option>(
  unsorted: Item[],
  visible: Item[],
  getGroup: (item: Item) => string,
): Map<string, Item[]> {
  const groups = new Help().groupItems(unsorted, visible, getGroup);
  const global = groups.get(globalGroup);
  groups.delete(globalGroup);
  if (global) groups.set(globalGroup, global);
  return groups;
}

function subcommandTerm(command: Command): string {
  return `${command.name()} ${argumentsOf(command)}`.trimEnd();
}

/** As in `<guest> <ports...>`. Without `[options]`: every command has some. */
export function argumentsOf(command: Command): string {
  return command.usage().replace(/^\[options\]( \[command\])? ?/, "");
}

const globalGroup = "Global options:";

/** On the program and on every command, so that they may stand before and after its name. Defaults are set by readSettings. */
function globalOptions(): Option[] {
  return [
    new Option("--policy <file>", `policy file (default: ${defaultPolicyFile})`),
    new Option("--inventory <dir>", "read this folder in place of a live libvirt"),
    new Option("--connect <uri>", `libvirt to follow (default: ${defaultConnectUri})`),
    new Option("--state <dir>", `where state is kept (default: ${defaultStateFolder})`),
    new Option("--socket <path>", `the daemon's socket (default: ${defaultDaemonSocket})`),
    new Option("--json", "print JSON"),
  ].map((option) => option.helpGroup(globalGroup));
}

/** Every command has it. */
export function isGlobal(option: Option): boolean {
  return option.helpGroupHeading === globalGroup;
}

export function addCommand(
  parent: Command,
  output: Output,
  words: { readonly line: string; readonly description: string; readonly example: string },
): Command {
  return configure(parent.command(words.line), output)
    .description(words.description)
    .addHelpText("after", `\nExample:\n  ${words.example}`);
}
