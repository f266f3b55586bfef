import type { SourceText } from "../model/source-text.ts";
import { isRead, type Forward, type Found, type NotCarried, type Read } from "./forward.ts";
import { makeForwards } from "./make-forwards.ts";

/** Tables of programs that forward for things of their own, and of virtwall. */
const managed = /^(docker-bridges|libvirt_network|firewalld|netavark|kube-proxy|virtwall)$/;

/** What `nft list ruleset` prints, or a file of that form: its rules that rewrite destinations. */
export function readNft({ file, text }: SourceText): Found {
  const forwards: Forward[] = [];
  const notCarried: NotCarried[] = [];
  let isManaged = false;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    const table = /^table \w+ (\S+) \{/.exec(line);
    if (table) isManaged = managed.test(table[1] ?? "");
    if (isManaged || line.startsWith("#") || !/\b(dnat|redirect)\b/.test(line)) continue;
    if (/^(type|chain|table)\b/.test(line)) continue;
    const at = { file, line: index + 1, column: raw.length - raw.trimStart().length + 1 };
    const read = readRule(line, at);
    if (isRead(read)) forwards.push(...read.value);
    else notCarried.push({ at, what: line, reason: read.reason });
  }
  return { forwards, notCarried };
}

interface Matches {
  protocol?: string;
  address?: string;
  interface?: string;
  from?: string;
  ports: readonly string[];
}

/** How many words each match has after its first; the last of them is the value. */
const matchForms: readonly {
  readonly words: readonly string[];
  readonly set: (matches: Matches, values: readonly string[]) => void;
}[] = [
  { words: ["iifname"], set: (matches, [name = ""]) => (matches.interface = name) },
  { words: ["iif"], set: (matches, [name = ""]) => (matches.interface = name) },
  { words: ["ip", "daddr"], set: (matches, [address = ""]) => (matches.address = address) },
  { words: ["ip6", "daddr"], set: (matches, [address = ""]) => (matches.address = address) },
  { words: ["ip", "saddr"], set: (matches, [prefix = ""]) => (matches.from = prefix) },
  { words: ["ip6", "saddr"], set: (matches, [prefix = ""]) => (matches.from = prefix) },
  { words: ["meta", "l4proto"], set: (matches, [name = ""]) => (matches.protocol = name) },
  { words: ["ip", "protocol"], set: (matches, [name = ""]) => (matches.protocol = name) },
  { words: ["th", "dport"], set: (matches, ports) => (matches.ports = ports) },
  ...["tcp", "udp"].map((protocol) => ({
    words: [protocol, "dport"],
    set: (matches: Matches, ports: readonly string[]) => {
      matches.protocol = protocol;
      matches.ports = ports;
    },
  })),
  { words: ["fib", "daddr", "type"], set: () => undefined },
  { words: ["counter", "packets"], set: () => undefined },
  { words: ["bytes"], set: () => undefined },
  { words: ["comment"], set: () => undefined },
];

function readRule(line: string, at: Forward["at"]): Read<readonly Forward[]> {
  const words: readonly string[] = line.match(/"[^"]*"|[{}]|[^\s{},;"]+/g) ?? [];
  const matches: Matches = { ports: [] };
  let destination: string | undefined;
  if (words.includes("map")) return { reason: "it looks up in a map where it leads" };
  for (let i = 0; i < words.length;) {
    const rest = words.slice(i);
    const rewrite = readRewrite(rest);
    const form = matchForms.find((one) => one.words.every((word, n) => rest[n] === word));
    if (rewrite !== undefined) {
      destination = rewrite.destination;
      i += rewrite.length;
    } else if (form) {
      const value = readValue(rest.slice(form.words.length));
      if (value === undefined) return { reason: "no publication says what it says" };
      if (value.values.length > 1 && !form.words.includes("dport")) {
        return { reason: `it is about several at once: ${form.words.join(" ")}` };
      }
      form.set(matches, value.values);
      i += form.words.length + value.length;
    } else if (rest[0] === "counter" || rest[0] === "persistent") i += 1;
    else return { reason: `no publication says ${rest.slice(0, 2).join(" ")}` };
  }
  if (destination === undefined) return { reason: "it leads to the host itself" };
  return makeForwards({ at, ...matches, destination });
}

/** `dnat to X`, `dnat ip to X`, `dnat ip6 to X` */
function readRewrite(
  words: readonly string[],
): { readonly destination: string; readonly length: number } | undefined {
  if (words[0] !== "dnat") return undefined;
  const at = words.indexOf("to");
  if (at < 1 || at > 2 || words[at + 1] === undefined) return undefined;
  return { destination: words[at + 1] ?? "", length: at + 2 };
}

/** One value or `{ several }`; undefined for `!=` and names of sets. */
function readValue(
  words: readonly string[],
): { readonly values: readonly string[]; readonly length: number } | undefined {
  const [first] = words;
  if (first === undefined || /^([!<>=]=?|@.*|\$.*)$/.test(first)) return undefined;
  if (first !== "{") return { values: [unquote(first)], length: 1 };
  const end = words.indexOf("}");
  return end < 0 ? undefined : { values: words.slice(1, end).map(unquote), length: end + 1 };
}

function unquote(word: string): string {
  return word.replaceAll('"', "");
}
