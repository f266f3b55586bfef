import type { SourceText } from "../model/source-text.ts";
import { splitWords } from "../xtables/save.ts";
import { isRead, type Forward, type Found, type NotCarried } from "./forward.ts";
import { makeForwards } from "./make-forwards.ts";
import { readRule } from "./read-iptables.ts";

/**
 * A hook script as guides have it. Nothing is run: lines are read in order, variables that are set to plain words are put in, and
 * iptables commands that add DNAT rules are taken. Where a script lists its ports in `PORTS`, that list is taken, and not
 * the loop over it.
 */
export function readHookScript({ file, text }: SourceText): Found {
  const forwards: Forward[] = [];
  const notCarried: NotCarried[] = [];
  const variables = new Map<string, string>();
  let guest: string | undefined;
  let listAt: Forward["at"] | undefined;
  const take = (at: Forward["at"], what: string, read: ReturnType<typeof readRule>): void => {
    if (read === undefined) return;
    if (isRead(read)) forwards.push(...read.value);
    else notCarried.push({ at, what, reason: read.reason });
  };
  const takeList = (): void => {
    if (listAt === undefined) return;
    const at = listAt;
    listAt = undefined;
    for (const entry of (variables.get("PORTS") ?? "").split(/[\s,]+/).filter((word) => word)) {
      take(at, `PORTS ${entry}`, readEntry(entry, { at, guest, variables }));
    }
  };
  for (const { line, number } of commandsOf(text)) {
    const at = { file, line: number, column: 1 };
    const named = guestOf(line, variables);
    if (named !== undefined) {
      takeList();
      guest = named;
    }
    const assignment = /^(?:export\s+|local\s+|readonly\s+)?([A-Za-z_]\w*)=(.*)$/.exec(line);
    if (assignment) {
      const [, name = "", value = ""] = assignment;
      // A second list is another guest's.
      if (name === "PORTS") takeList();
      variables.set(name, plain(value, variables));
      if (guestNames.has(name)) guest = variables.get(name);
      if (name === "PORTS") listAt = at;
      continue;
    }
    const rule = ruleOf(line, variables);
    if (rule === undefined) continue;
    if (!rule.includes("$")) take(at, line, readRule(splitWords(rule), { at, guest }));
    else if (!variables.has("PORTS") && / DNAT /.test(rule)) {
      const reason = "its variables get their values when it runs";
      notCarried.push({ at, what: line, reason });
    }
  }
  takeList();
  return { forwards, notCarried };
}

const guestNames: ReadonlySet<string> = new Set(["GUEST", "GUEST_NAME", "VM", "VM_NAME", "DOMAIN"]);
const addressNames = ["PRIVATE_IP", "GUEST_IP", "VM_IP"] as const;

/** Lines with their continuations, comments and leading keywords taken away. */
function commandsOf(text: string): readonly { readonly line: string; readonly number: number }[] {
  const commands: { line: string; number: number }[] = [];
  let open: { line: string; number: number } | undefined;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = `${open?.line ?? ""}${raw.trim()}`;
    const number = open?.number ?? index + 1;
    open = line.endsWith("\\") ? { line: `${line.slice(0, -1)} `, number } : undefined;
    if (open || line.startsWith("#")) continue;
    for (const part of line.split(/\s*;\s*(?![;)])|&&|\|\|/)) {
      const command = part.replace(/^(?:then|do|else|if)\s+/, "").trim();
      if (command !== "") commands.push({ line: command, number });
    }
  }
  return commands;
}

/** `[ "$1" = web1 ]`, `[[ $1 == "web1" ]]`, `test "$1" = web1` */
function guestOf(line: string, variables: ReadonlyMap<string, string>): string | undefined {
  const match = /^(?:\[\[?|test)\s+"?\$\{?1\}?"?\s+==?\s+("[^"]*"|'[^']*'|[^\s\]]+)/.exec(line);
  const name = match?.[1] === undefined ? undefined : plain(match[1], variables);
  return name === undefined || name.includes("$") ? undefined : name;
}

function ruleOf(line: string, variables: ReadonlyMap<string, string>): string | undefined {
  const match = /^(?:sudo\s+)?\S*ip6?tables\s+(.*)$/.exec(line);
  if (match?.[1] === undefined || !/-t\s+nat\b/.test(match[1])) return undefined;
  const words = substitute(match[1], variables).replaceAll(/["']/g, "");
  return /(?:^|\s)(?:-D|--delete|-F|-X|-N)\s/.test(words) ? undefined : words;
}

/** The value of an assignment; what a shell would have to work out keeps its `$`. */
function plain(value: string, variables: ReadonlyMap<string, string>): string {
  const bare = /^"([^"]*)"|^'([^']*)'|^(\S*)/.exec(value.trim());
  return substitute(bare?.[1] ?? bare?.[2] ?? bare?.[3] ?? "", variables);
}

function substitute(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced: string, bare: string) => {
    return variables.get(braced ?? bare) ?? whole;
  });
}

/** `tcp:80`, `tcp:8080:80`, `udp:5000-5010` */
function readEntry(
  entry: string,
  script: {
    readonly at: Forward["at"];
    readonly guest: string | undefined;
    readonly variables: ReadonlyMap<string, string>;
  },
): ReturnType<typeof readRule> {
  const { at, guest, variables } = script;
  const match = /^(\w+)[:/]([0-9-]+)(?::([0-9-]+))?$/.exec(entry);
  const address = addressNames.map((name) => variables.get(name)).find((one) => one !== undefined);
  if (!match || address === undefined) {
    return { reason: match ? `none of ${addressNames.join(", ")} is set` : "not understood" };
  }
  const [, protocol, ports = "", toPorts = ports] = match;
  const host = address.includes(":") ? `[${address}]` : address;
  const destination = `${host}:${toPorts}`;
  const open = variables.get("PUBLIC_IP");
  return makeForwards({ at, guest, protocol, address: open, ports: [ports], destination });
}
