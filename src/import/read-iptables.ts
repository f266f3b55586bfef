import type { SourceText } from "../model/source-text.ts";
import { readSave, type SavedChain, type SavedRule } from "../xtables/save.ts";
import type { Found, Forward, NotCarried, Read } from "./forward.ts";
import { isRead } from "./forward.ts";
import { makeForwards, type ForwardParts } from "./make-forwards.ts";

/** Chains in which programs keep what they forward for things of their own. */
const managed = /^(DOCKER|LIBVIRT_|ufw-|CNI-|KUBE-|NETAVARK|PRE_|POST_|cali-)/;

/** What `iptables-save` or `ip6tables-save` prints: the DNAT rules of its table nat. */
export function readIptables(source: SourceText): Found {
  const lines = linesOf(source.text);
  const placeOf = (chain: SavedChain, rule: SavedRule) => {
    const line = lines.get(`-A ${chain.name} ${rule.text}`) ?? 1;
    return { file: source.file, line, column: 1 };
  };
  const chains = readSave(source.text).find(({ name }) => name === "nat")?.chains ?? [];
  const jumps = jumpsIn(chains);
  const forwards: Forward[] = [];
  const notCarried: NotCarried[] = [];
  for (const chain of chains) {
    if (managed.test(chain.name)) continue;
    const around = wayInto(chain.name, jumps);
    for (const rule of chain.rules) {
      const at = placeOf(chain, rule);
      const read = readRule(rule.words, { at, around });
      if (read === undefined) continue;
      if (isRead(read)) forwards.push(...read.value);
      else notCarried.push({ at, what: `-A ${chain.name} ${rule.text}`, reason: read.reason });
    }
  }
  return { forwards, notCarried };
}

/** Numbers of lines by their text, less counters: of several that are the same the first. */
function linesOf(text: string): ReadonlyMap<string, number> {
  const lines = text.split("\n").map((line) => line.replace(/^\[\d+:\d+\] /, ""));
  return new Map(lines.map((line, index) => [line, index + 1] as const).toReversed());
}

/** Undefined for a rule that forwards nothing and rewrites no source. */
export function readRule(
  words: readonly string[],
  where: Pick<ForwardParts, "at" | "guest"> & { readonly around?: Options },
): Read<readonly Forward[]> | undefined {
  const own = readOptions(words);
  const target = own.values.get("-j");
  const reason = target === undefined ? undefined : sourceReasons[target];
  if (reason !== undefined) return { reason };
  if (target !== "DNAT") return undefined;
  const { values, unknown } = where.around === undefined ? own : within(own, where.around);
  if (unknown !== undefined) return { reason: `no publication says ${unknown}` };
  const value = (key: string): string | undefined => values.get(key);
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
  "--goto": "-g",
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

interface Jump {
  /** The chain in which it stands. */
  readonly from: string;
  readonly options: Options;
}

/** The rules that lead to each chain, or that have a target of that name. */
function jumpsIn(chains: readonly SavedChain[]): ReadonlyMap<string, readonly Jump[]> {
  const jumps = new Map<string, Jump[]>();
  for (const { name: from, rules } of chains) {
    for (const { words } of rules) {
      const options = readOptions(words);
      const target = options.values.get("-j") ?? options.values.get("-g") ?? "";
      const same = jumps.get(target);
      if (same === undefined) jumps.set(target, [{ from, options }]);
      else same.push({ from, options });
    }
  }
  return jumps;
}

/** What a packet has passed that comes into a chain of the admin's own; more ways than one that differ are nobody's. */
function wayInto(
  name: string,
  jumps: ReadonlyMap<string, readonly Jump[]>,
  inside: readonly string[] = [],
): Options {
  const ways = (jumps.get(name) ?? [])
    .filter(({ from }) => !inside.includes(from))
    .map(({ from, options }) =>
      within(conditionsIn(options), wayInto(from, jumps, [...inside, name])),
    );
  const [first, ...others] = ways;
  if (first === undefined) return { values: new Map(), unknown: undefined };
  const key = ({ values }: Options) =>
    [...values]
      .map((pair) => pair.join(" "))
      .toSorted()
      .join();
  const isOneWay = others.every((other) => key(other) === key(first));
  return isOneWay ? first : { values: new Map(), unknown: `the ways into chain ${name}` };
}

function conditionsIn({ values, unknown }: Options): Options {
  const others = new Set(["-j", "-g", "--comment"]);
  return { values: new Map([...values].filter(([key]) => !others.has(key))), unknown };
}

/** What both ask for; no publication asks for two things of one kind. */
function within(inner: Options, outer: Options): Options {
  const twice = [...inner.values].find(
    ([key, value]) => (outer.values.get(key) ?? value) !== value,
  );
  return {
    values: new Map([...outer.values, ...inner.values]),
    unknown: inner.unknown ?? outer.unknown ?? twice?.join(" "),
  };
}
