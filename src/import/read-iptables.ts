import type { SourceText } from "../model/source-text.ts";
import { readSave, type SavedChain, type SavedRule } from "../xtables/save.ts";
import type { Found, Forward, NotCarried, Read } from "./forward.ts";
import { isRead } from "./forward.ts";
import { makeForwards, type ForwardParts } from "./make-forwards.ts";

/** Chains in which programs keep what they forward for things of their own. */
const managed = /^(DOCKER|LIBVIRT_|ufw-|CNI-|KUBE-|NETAVARK|PRE_|POST_|cali-)/;

/** What `iptables-save` or `ip6tables-save` prints: the DNAT rules of its table nat. */
export function readIptables(source: SourceText): Found {
  const lines = source.text.split("\n");
  const placeOf = (chain: SavedChain, rule: SavedRule) => {
    const at = lines.findIndex((line) => line.endsWith(`-A ${chain.name} ${rule.text}`));
    return { file: source.file, line: at + 1, column: 1 };
  };
  const chains = readSave(source.text).find(({ name }) => name === "nat")?.chains ?? [];
  const forwards: Forward[] = [];
  const notCarried: NotCarried[] = [];
  for (const chain of chains) {
    if (managed.test(chain.name)) continue;
    for (const rule of chain.rules) {
      const at = placeOf(chain, rule);
      const read = readRule(rule.words, { at, around: jumpsTo(chain.name, chains) });
      if (read === undefined) continue;
      if (isRead(read)) forwards.push(...read.value);
      else notCarried.push({ at, what: `-A ${chain.name} ${rule.text}`, reason: read.reason });
    }
  }
  return { forwards, notCarried };
}

/** Undefined for a rule that forwards nothing and rewrites no source. */
export function readRule(
  words: readonly string[],
  where: Pick<ForwardParts, "at" | "guest"> & { readonly around?: Options },
): Read<readonly Forward[]> | undefined {
  const options = readOptions(words);
  const target = options.values.get("-j");
  const reason = target === undefined ? undefined : sourceReasons[target];
  if (reason !== undefined) return { reason };
  if (target !== "DNAT") return undefined;
  const around = where.around ?? { values: new Map(), unknown: undefined };
  const unknown = options.unknown ?? around.unknown;
  if (unknown !== undefined) return { reason: `no publication says ${unknown}` };
  const value = (key: string): string | undefined =>
    options.values.get(key) ?? around.values.get(key);
  const ports = value("--dport") ?? value("--dports") ?? "";
  return makeForwards({
    at: where.at,
    guest: where.guest,
    protocol: value("-p"),
    address: value("-d"),
    interface: value("-i"),
    from: value("-s"),
    ports: ports === "" ? [] : ports.split(",").map((range) => range.replace(":", "-")),
    destination: value("--to-destination") ?? "",
  });
}

/** Of rules that rewrite sources an importer of forwards says why it leaves them. */
const sourceReasons: Readonly<Record<string, string>> = {
  SNAT: "sources are rewritten by a network's mode: networks.NAME.nat",
  MASQUERADE: "sources are rewritten by a network's mode: networks.NAME.nat",
  NETMAP: "a publication leads ports to a guest, not a network to another",
  REDIRECT: "it leads to the host itself",
};

export interface Options {
  readonly values: ReadonlyMap<string, string>;
  /** The first word that no publication has anything for. */
  readonly unknown: string | undefined;
}

const longNames: Readonly<Record<string, string>> = {
  "--protocol": "-p",
  "--destination": "-d",
  "--dst": "-d",
  "--source": "-s",
  "--src": "-s",
  "--in-interface": "-i",
  "--destination-port": "--dport",
  "--destination-ports": "--dports",
  "--jump": "-j",
  "--to": "--to-destination",
  "-A": "chain",
  "-I": "chain",
};
const known: ReadonlySet<string> = new Set([
  ...Object.values(longNames),
  "--dport",
  "--dports",
  "-t",
  "--comment",
]);
/** Matches whose own options are all that matters of them. */
const plainMatches: ReadonlySet<string> = new Set(["tcp", "udp", "multiport", "comment"]);

function readOptions(words: readonly string[]): Options {
  const values = new Map<string, string>();
  let unknown: string | undefined;
  for (let i = 0; i < words.length;) {
    const { length, option, value } = readOption(words.slice(i));
    if (length === 0) unknown ??= option === "-m" ? `-m ${value}` : option;
    else if (option !== "-m") values.set(option, value);
    i += Math.max(length, 1);
  }
  return { values, unknown };
}

/** The first option and how many words it takes; 0 for one that no publication has anything for. */
function readOption([word = "", value = "", ...rest]: readonly string[]): {
  readonly option: string;
  readonly value: string;
  readonly length: number;
} {
  const option = longNames[word] ?? word;
  const said = { option, value };
  if (option === "-m") return { ...said, length: matchLength(value, rest) };
  if (option === "-w") return { ...said, length: isNumber(value) ? 2 : 1 };
  if (!known.has(option) || value === "!") return { ...said, length: 0 };
  // `-I CHAIN 1`
  return { ...said, length: option === "chain" && isNumber(rest[0]) ? 3 : 2 };
}

function matchLength(name: string, rest: readonly string[]): number {
  if (name === "addrtype" && isLocal(rest)) return 4;
  return plainMatches.has(name) ? 2 : 0;
}

function isNumber(word: string | undefined): boolean {
  return /^\d+$/.test(word ?? "");
}

/** What a forward without an address means anyway: an address of the host. */
function isLocal(words: readonly string[]): boolean {
  return words[0] === "--dst-type" && words[1] === "LOCAL";
}

/** What a packet has passed that comes into a chain of the admin's own; more ways than one that differ are nobody's. */
function jumpsTo(name: string, chains: readonly SavedChain[]): Options {
  const jumps = chains
    .flatMap(({ rules }) => rules)
    .map(({ words }) => readOptions(words))
    .filter(({ values }) => values.get("-j") === name || values.get("-g") === name);
  const matches = jumps.map(({ values, unknown }) => {
    const conditions = new Map([...values].filter(([key]) => key !== "-j" && key !== "--comment"));
    return { values: conditions, unknown };
  });
  const [first, ...others] = matches;
  if (first === undefined) return { values: new Map(), unknown: undefined };
  const key = ({ values }: Options) =>
    [...values]
      .map((pair) => pair.join(" "))
      .toSorted()
      .join();
  const isOneWay = others.every((other) => key(other) === key(first));
  return isOneWay ? first : { values: new Map(), unknown: `the ways into chain ${name}` };
}
