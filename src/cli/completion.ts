import type { Command } from "commander";
import { readCommandTree, type CommandNode } from "./command-tree.ts";
import { exitStatus, type ExitStatus } from "./exit-status.ts";
import type { Output } from "./output.ts";
import { printBashCompletion } from "./print-bash-completion.ts";
import { printFishCompletion } from "./print-fish-completion.ts";
import { printZshCompletion } from "./print-zsh-completion.ts";

const printers: Readonly<Record<string, (program: CommandNode) => string>> = {
  bash: printBashCompletion,
  zsh: printZshCompletion,
  fish: printFishCompletion,
};

/** What the shell is to load so that it completes our commands and options. */
export function runCompletion(program: Command, output: Output, shell: string): ExitStatus {
  output.out(printers[shell]?.(readCommandTree(program)) ?? "");
  return exitStatus.ok;
}
