import { withDescendants, type CommandNode, type Value } from "./command-tree.ts";

/** A function to be loaded from \`fpath\`, or sourced. In its tables the empty command is the program, whose options all have. */
export function printZshCompletion(program: CommandNode): string {
  const nodes = withDescendants(program);
  return `#compdef virtwall
# zsh completion of virtwall, written by \`virtwall completion zsh\`
_virtwall() {
  local command= value= typed i
  local -a found flags
  for ((i = 2; i < CURRENT; i++)); do
    if [[ -n $value ]]; then
      value=
      continue
    fi
    typed=\${words[i]}
    case "$command:$typed" in
${nodes.flatMap(printSteps).join("\n")}
    esac
  done
  case $value in
  file) _files; return ;;
  folder) _files -/; return ;;
  word) _message value; return ;;
  ?*) found=(\${=value}); _describe value found; return ;;
  esac
  case $command in
${nodes.map(printNode).join("\n")}
  esac
  flags+=(${printFlags(program)} '--help:display help for command')
  if [[ $PREFIX == -* ]]; then
    _describe -o option flags
  elif (( \${#found} )); then
    _describe command found
  else
    case $value in
    file) _files ;;
    *) _message argument ;;
    esac
  fi
}
if [[ \${funcstack[1]-} == _virtwall ]]; then _virtwall "$@"; else compdef _virtwall virtwall; fi
`;
}

/** What a word means that was typed before: a command below, or an option whose value follows. */
function printSteps({ words, options, commands }: CommandNode): string[] {
  const command = words.join(" ");
  const prefix = command === "" ? "*" : `'${command}'`;
  const steps = commands.map(
    (child) => `    '${command}:${child.words.at(-1)}') command='${child.words.join(" ")}' ;;`,
  );
  const values = options.flatMap(({ flags, value }) =>
    value ? flags.map((flag) => `    ${prefix}:${flag}) value=${quote(printValue(value))} ;;`) : [],
  );
  return [...steps, ...values];
}

function printNode({ words, commands, options, arguments: [argument] }: CommandNode): string {
  const found = commands.map(({ words: child, description }) =>
    printDescribed(child.at(-1) ?? "", description),
  );
  const value = argument === undefined ? "" : printValue(argument);
  const own = words.length === 0 ? "" : printFlags({ options });
  return `  '${words.join(" ")}') found=(${found.join(" ")}) flags=(${own}) value=${quote(value)} ;;`;
}

function printFlags({ options }: Pick<CommandNode, "options">): string {
  return options
    .flatMap(({ flags, description }) => flags.map((flag) => printDescribed(flag, description)))
    .join(" ");
}

function printDescribed(word: string, description: string): string {
  return quote(`${word}:${description}`);
}

function printValue({ kind, choices }: Value): string {
  return kind === "choice" ? choices.join(" ") : kind;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
