import type { Argument, Command, Option } from "commander";
import { argumentsOf, isGlobal } from "./builder.ts";

/** A command as whoever types it sees it: what is hidden is not in it, nor are help and version. */
export interface CommandNode {
  /** What is typed behind `virtwall`; none of the program itself. */
  readonly words: readonly string[];
  /** Its arguments, as in `<guest> <ports...>`. */
  readonly usage: string;
  readonly description: string;
  /** Its own: those of every command are the program's. */
  readonly options: readonly OptionNode[];
  readonly arguments: readonly ArgumentNode[];
  readonly commands: readonly CommandNode[];
}

export interface OptionNode {
  /** As they are typed, the long one first. */
  readonly flags: readonly string[];
  readonly description: string;
  /** Absent where it takes none. */
  readonly value?: Value;
}

export interface ArgumentNode extends Value {
  /** Empty where its name says it all. */
  readonly description: string;
}

/** What stands behind an option, or is an argument. */
export interface Value {
  readonly name: string;
  readonly kind: "file" | "folder" | "choice" | "word";
  readonly choices: readonly string[];
}

/** In the order of `--help`. */
export function readCommandTree(command: Command, words: readonly string[] = []): CommandNode {
  const help = command.createHelp();
  const isProgram = words.length === 0;
  const options = command.options.filter(
    (option) => !option.hidden && option.long !== "--version" && isGlobal(option) === isProgram,
  );
  return {
    words,
    usage: argumentsOf(command),
    description: command.description(),
    options: options.map(readOption),
    arguments: command.registeredArguments.map((argument) => {
      return { ...readValue(argument.name(), argument), description: argument.description };
    }),
    commands: help
      .visibleCommands(command)
      .filter((child) => child.name() !== "help")
      .map((child) => readCommandTree(child, [...words, child.name()])),
  };
}

/** The command and all below it, each before its own. */
export function withDescendants(node: CommandNode): CommandNode[] {
  return [node, ...node.commands.flatMap(withDescendants)];
}

function readOption(option: Option): OptionNode {
  const [, name] = /[<[]([^>\].]+)/.exec(option.flags) ?? [];
  return {
    flags: [option.long, option.short].filter((flag) => flag !== undefined && flag !== null),
    description: option.description,
    ...(name !== undefined && { value: readValue(name, option) }),
  };
}

const files: ReadonlySet<string> = new Set(["file", "path", "old", "new"]);

function readValue(name: string, { argChoices = [] }: Pick<Argument, "argChoices">): Value {
  if (argChoices.length > 0) return { name, kind: "choice", choices: argChoices };
  const kind = name === "dir" ? "folder" : files.has(name) ? "file" : "word";
  return { name, kind, choices: [] };
}
