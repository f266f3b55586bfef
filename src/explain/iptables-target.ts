import type { Family } from "../base/address.ts";
import type { Expression, Statement } from "../nft/ast.ts";
import * as nft from "../nft/build.ts";

/** What `-j` or `-g` and the words behind it do to a packet. */
export function readTarget(words: readonly string[], family: Family): readonly Statement[] {
  const [jump, name] = words;
  if (name === undefined) return [];
  if (jump === "-g") return [nft.goto(name)];
  const read = targets[name];
  if (read !== undefined) return read(optionsOf(words.slice(2)), family) ?? [unknownTarget(name)];
  if (harmless.has(name)) return [];
  // What iptables does not write in capitals alone is a chain, and what it does may be one.
  return targetNames.has(name) ? [unknownTarget(name)] : [nft.jump(name)];
}

type Options = ReadonlyMap<string, string>;

function optionsOf(words: readonly string[]): Options {
  const options = new Map<string, string>();
  for (const [index, word] of words.entries()) {
    if (!word.startsWith("--")) continue;
    const next = words[index + 1];
    options.set(word, next === undefined || next.startsWith("--") ? "" : next);
  }
  return options;
}

function unknownTarget(name: string): Statement {
  return { kind: "unknown", json: JSON.stringify({ xt: { type: "target", name } }) };
}

type Reader = (options: Options, family: Family) => readonly Statement[] | undefined;

const targets: Readonly<Record<string, Reader>> = {
  ACCEPT: () => [nft.accept],
  DROP: () => [nft.drop],
  RETURN: () => [nft.leave],
  REJECT: () => [{ kind: "reject" }],
  MARK: (options) => withMark(nft.meta("mark"), options.get("--set-xmark")),
  CONNMARK: readConnmark,
  CT: (options) => (options.has("--notrack") ? [notrack] : []),
  NOTRACK: () => [notrack],
  DNAT: (options, family) => rewrite("dnat", options.get("--to-destination"), family),
  SNAT: (options, family) => rewrite("snat", options.get("--to-source"), family),
  MASQUERADE: (options) => [{ kind: "masquerade", ...portOf(options.get("--to-ports")) }],
  REDIRECT: (options) => [{ kind: "redirect", ...portOf(options.get("--to-ports")) }],
  NFQUEUE: readQueue,
  TPROXY: readProxy,
};

const foreign = (words: object): Statement => ({ kind: "unknown", json: JSON.stringify(words) });

/** As nft says it. */
function readQueue(options: Options): readonly Statement[] {
  const [first = 0, last = first] = (
    options.get("--queue-balance") ??
    options.get("--queue-num") ??
    ""
  )
    .split(":")
    .map(Number);
  const flags = options.has("--queue-bypass") ? ["bypass"] : [];
  return [foreign({ queue: { num: { range: [first, last] }, flags } })];
}

/** What nobody is there for it drops, and what somebody takes goes on as accepted, with a mark (xt_TPROXY.c). */
function readProxy(options: Options): readonly Statement[] | undefined {
  const [port, addr] = [Number(options.get("--on-port")), options.get("--on-ip")];
  const isAny = addr === undefined || addr === "0.0.0.0" || addr === "::";
  const marked = withMark(nft.meta("mark"), options.get("--tproxy-mark") ?? "0x0/0x0");
  const proxy = foreign({ tproxy: { port, ...(!isAny && { addr }), otherwise: "drop" } });
  return marked && [proxy, ...marked, nft.accept];
}

const notrack = foreign({ notrack: null });

/** Targets that no verdict depends on. */
const harmless: ReadonlySet<string> = new Set([
  "AUDIT",
  "CHECKSUM",
  "CLASSIFY",
  "CONNSECMARK",
  "DSCP",
  "ECN",
  "HL",
  "LED",
  "LOG",
  "NFLOG",
  "SECMARK",
  "SET",
  "TCPMSS",
  "TEE",
  "TOS",
  "TRACE",
  "TTL",
  "ULOG",
]);

/** Those that take a packet somewhere else, iptables-extensions(8). */
const targetNames: ReadonlySet<string> = new Set([
  "CLUSTERIP",
  "DNPT",
  "HMARK",
  "IDLETIMER",
  "NETMAP",
  "QUEUE",
  "RATEEST",
  "SNPT",
  "SYNPROXY",
  "TCPOPTSTRIP",
]);

/** `VALUE/MASK`: the bits of the mask go, then VALUE is turned in. */
function withMark(key: Expression, text: string | undefined): readonly Statement[] | undefined {
  const [value, mask] = (text ?? "").split("/").map(Number);
  if (value === undefined || mask === undefined) return undefined;
  const kept = nft.masked(key, nft.value((~mask & 0xffffffff) >>> 0));
  return [{ kind: "mangle", key, value: { kind: "^", left: kept, right: nft.value(value) } }];
}

/** `--nfmask` and `--ctmask` say which bits of the packet and of the connection are meant (xt_connmark.c). */
function readConnmark(options: Options): readonly Statement[] | undefined {
  if (options.has("--set-xmark")) return withMark(nft.ct("mark"), options.get("--set-xmark"));
  const [packet, connection] = [
    { key: nft.meta("mark"), mask: maskOf(options.get("--nfmask")) },
    { key: nft.ct("mark"), mask: maskOf(options.get("--ctmask")) },
  ];
  if (options.has("--save-mark")) return copyMark(packet, connection);
  if (options.has("--restore-mark")) return copyMark(connection, packet);
  return undefined;
}

interface MarkBits {
  readonly key: Expression;
  readonly mask: number;
}

const maskOf = (text = "0xffffffff"): number => (text === "~0" ? 0xffffffff : Number(text));

function copyMark(from: MarkBits, to: MarkBits): readonly Statement[] {
  const isWhole = from.mask === 0xffffffff && to.mask === 0xffffffff;
  if (isWhole) return [{ kind: "mangle", key: to.key, value: from.key }];
  const kept = nft.masked(to.key, nft.value((~to.mask & 0xffffffff) >>> 0));
  const copied = nft.masked(from.key, nft.value(from.mask));
  return [{ kind: "mangle", key: to.key, value: { kind: "^", left: kept, right: copied } }];
}

/** `10.0.0.2:80`, `10.0.0.2-10.0.0.9:80-90`, `[fd00::2]:80`. */
function rewrite(
  kind: "dnat" | "snat",
  text: string | undefined,
  family: Family,
): readonly Statement[] | undefined {
  const pattern = family === 4 ? /^([^:]*)(?::(.+))?$/ : /^\[?([^\]]*?)\]?(?:(?<=\]):(.+))?$/;
  const [, address = "", ports] = pattern.exec(text ?? "") ?? [];
  const [first = "", last] = address.split("-");
  return [
    {
      kind,
      family: family === 4 ? "ip" : "ip6",
      ...(first !== "" && {
        address: last === undefined ? nft.value(first) : nft.range(first, last),
      }),
      ...portOf(ports),
    },
  ];
}

function portOf(text: string | undefined): { port?: Expression } {
  if (text === undefined || text === "") return {};
  const [first, last] = text.split("/")[0]?.split("-").map(Number) ?? [];
  if (first === undefined) return {};
  return { port: last === undefined ? nft.value(first) : nft.range(first, last) };
}
