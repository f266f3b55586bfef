import { withDescendants, type CommandNode, type OptionNode, type Value } from "./command-tree.ts";

/** fish keeps the options of all commands apart by a condition, here the command that was typed so far. */
export function printFishCompletion(program: CommandNode): string {
  const nodes = withDescendants(program);
  const valued = nodes.flatMap(({ options }) =>
    options.filter(({ value }) => value).flatMap(({ flags }) => flags),
  );
  const commands = nodes.flatMap((node) => node.commands.map(({ words }) => words.join(" ")));
  return `# fish completion of virtwall, written by \`virtwall completion fish\`
function __virtwall_at
    set -l typed
    set -l skips
    for word in (commandline -opc)[2..]
        if set -q skips[1]
            set -e skips
            continue
        end
        switch $word
            case ${[...new Set(valued)].join(" ")}
                set skips yes
                continue
        end
        switch (string trim -- "$typed $word")
            case ${commands.map(quote).join(" ")}
                set -a typed $word
        end
    end
    test "$typed" = "$argv[1]"
end
complete -c virtwall -f
complete -c virtwall -l help -s h -d 'display help for command'
${program.options.map((option) => printOption(option)).join("\n")}
${nodes.flatMap(printNode).join("\n")}
`;
}

function printNode(node: CommandNode): string[] {
  const {
    words,
    commands,
    options,
    arguments: [argument],
  } = node;
  const at = `-n "__virtwall_at '${words.join(" ")}'"`;
  const children = commands.map(
    ({ words: child, description }) =>
      `complete -c virtwall ${at} -a ${child.at(-1) ?? ""} -d ${quote(description)}`,
  );
  const own = words.length === 0 ? [] : options.map((option) => printOption(option, at));
  const values = argument ? [`complete -c virtwall ${at} ${printValue(argument)}`] : [];
  return [...children, ...own, ...values];
}

function printOption({ flags, description, value }: OptionNode, at = ""): string {
  const names = flags.map((flag) => flag.replace(/^--/, "-l ").replace(/^-([a-z])$/, "-s $1"));
  const values = value ? `-r ${printValue(value)}` : "";
  const parts = ["complete -c virtwall", at, ...names, values, "-d", quote(description)];
  return parts.filter((part) => part !== "").join(" ");
}

function printValue({ kind, choices }: Value): string {
  switch (kind) {
    case "file":
      return "-F";
    case "folder":
      return "-f -a '(__fish_complete_directories)'";
    case "choice":
      return `-f -a ${quote(choices.join(" "))}`;
    case "word":
      return "-f";
  }
}

/** In fish's single quotes a backslash stands for itself but before a quote and another one. */
function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
