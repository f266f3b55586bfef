import { withDescendants, type CommandNode, type Value } from "./command-tree.ts";

/**
 * For bash 4.4 or newer. Tables by `COMMAND:WORD` and by `COMMAND:`, since bash has no empty key; the empty command is the program, whose
 * options all have. All words in it are of our own making: none is a guest's name, nor anybody else's.
 */
export function printBashCompletion(program: CommandNode): string {
  const nodes = withDescendants(program);
  const entries = (name: string, rows: readonly (readonly [string, string])[]) =>
    `declare -gA _virtwall_${name}=(\n${rows.map(([key, value]) => `  ["${key}"]="${value}"\n`).join("")})\n`;
  const commandOf = ({ words }: CommandNode) => words.join(" ");
  const children = nodes.flatMap((node) =>
    node.commands.map(
      (child) => [`${commandOf(node)}:${child.words.at(-1)}`, commandOf(child)] as const,
    ),
  );
  const values = nodes.flatMap((node) =>
    node.options.flatMap(({ flags, value }) =>
      value ? flags.map((flag) => [`${commandOf(node)}:${flag}`, printValue(value)] as const) : [],
    ),
  );
  const flags = nodes.map((node) => {
    const options = node === program ? node.options : [...node.options, ...program.options];
    return [`${commandOf(node)}:`, options.flatMap((option) => option.flags).join(" ")] as const;
  });
  const expected = nodes.map((node) => [`${commandOf(node)}:`, printExpected(node)] as const);
  return `# bash completion of virtwall, written by \`virtwall completion bash\`
${entries("commands", children)}${entries("values", values)}${entries("flags", flags)}${entries("expected", expected)}${algorithm}`;
}

/** What a command expects where no option is typed. */
function printExpected({ commands, arguments: [argument] }: CommandNode): string {
  if (commands.length > 0) return commands.map(({ words }) => words.at(-1)).join(" ");
  return argument ? printValue(argument) : "";
}

function printValue({ kind, choices }: Value): string {
  return kind === "choice" ? choices.join(" ") : `<${kind}>`;
}

const algorithm = `_virtwall() {
  local word=\${COMP_WORDS[COMP_CWORD]} command= value= typed i
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [ -n "$value" ]; then
      value=
      continue
    fi
    typed=\${COMP_WORDS[i]}
    value=\${_virtwall_values["$command:$typed"]-\${_virtwall_values[":$typed"]-}}
    command=\${_virtwall_commands["$command:$typed"]-$command}
  done
  if [ -z "$value" ]; then
    case $word in
    -*) value="\${_virtwall_flags["$command:"]-} --help" ;;
    *) value=\${_virtwall_expected["$command:"]-} ;;
    esac
  fi
  COMPREPLY=()
  case $value in
  "<file>")
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
    ;;
  "<folder>")
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -d -- "$word")
    ;;
  "<word>") ;;
  *) mapfile -t COMPREPLY < <(compgen -W "$value" -- "$word") ;;
  esac
}
complete -F _virtwall virtwall
`;
