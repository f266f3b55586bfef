import { type Family, parseAddress, toBits } from "../base/address.ts";
import { asTagged, isObject, type Json } from "../nft/json.ts";
import { type Queue, readQueue } from "./queue.ts";

/** What a statement does that virtwall itself never says, and that the AST keeps as nft's JSON. */
export type ForeignStatement =
  /** Nothing that a verdict depends on. */
  | { readonly kind: "nothing" }
  | { readonly kind: "notrack" }
  | { readonly kind: "queue"; readonly queue: Queue }
  | { readonly kind: "proxy"; readonly proxy: Proxy }
  /** The rule goes on or ends here. */
  | { readonly kind: "may end"; readonly reason: string }
  /** The packet's fate is out of sight. */
  | { readonly kind: "unknown"; readonly reason: string };

/** To what program of the host it gives a packet that may be for anybody. */
export interface Proxy {
  /** Absent: any. */
  readonly family?: Family;
  /** Absent: that of the interface by which it came. */
  readonly address?: bigint;
  /** Absent: the packet's. */
  readonly port?: number;
  /** What becomes of a packet that nobody is there for. */
  readonly otherwise: "break" | "drop";
}

export function readForeignStatement(json: string): ForeignStatement {
  const [tag = "", value] = asTagged(JSON.parse(json)) ?? [];
  if (idle.has(tag)) return { kind: "nothing" };
  if (tag === "notrack") return { kind: "notrack" };
  const known =
    tag === "queue" ? readQueued(value) : tag === "tproxy" ? readProxy(value) : undefined;
  if (known !== undefined) return known;
  const reason = reasons[tag];
  if (reason !== undefined) return { kind: "may end", reason };
  if (tag === "xt") return readXt(value);
  return { kind: "unknown", reason: `the statement ${tag}` };
}

const idle = new Set([
  "counter",
  "log",
  "last",
  "ct helper",
  "ct timeout",
  "ct expectation",
  "flow",
]);

const reasons: Readonly<Record<string, string>> = {
  limit: "a limit",
  quota: "a quota",
  "ct count": "the number of flows",
  match: "a match",
  set: "a set with statements of its own",
  meter: "a meter",
};

function readQueued(value: Json): ForeignStatement | undefined {
  const queue = readQueue(value);
  return queue && { kind: "queue", queue };
}

/** `otherwise` is no word of nft's, see `iptables-target.ts`. */
function readProxy(value: Json): ForeignStatement | undefined {
  const { family, addr, port = 0, otherwise } = isObject(value) ? value : {};
  const address = typeof addr === "string" ? parseAddress(addr) : undefined;
  if (typeof port !== "number" || (addr !== undefined && address === undefined)) return undefined;
  const proxy: Proxy = {
    otherwise: otherwise === "drop" ? "drop" : "break",
    ...(family === "ip" && { family: 4 }),
    ...(family === "ip6" && { family: 6 }),
    ...(address !== undefined && { address: toBits(address) }),
    ...(port !== 0 && { port }),
  };
  return { kind: "proxy", proxy };
}

/** A match or target of iptables, of which nft shows the name alone. */
function readXt(value: Json): ForeignStatement {
  const { type, name } = isObject(value) ? value : {};
  const asks = typeof name === "string" ? asked[name] : undefined;
  const reason = `the ${String(type)} ${String(name)} of iptables${asks === undefined ? "" : `: ${asks}`}`;
  if (type === "match") {
    return name === "comment" ? { kind: "nothing" } : { kind: "may end", reason };
  }
  return name === "LOG" || name === "NFLOG" || name === "TRACE"
    ? { kind: "nothing" }
    : { kind: "unknown", reason };
}

/** What nobody can see from the host's rules, routes and sockets. */
const asked: Readonly<Record<string, string>> = {
  connbytes: "how much its flow has carried",
  connlimit: "how many flows there are",
  cpu: "which processor takes it",
  hashlimit: "how much came of late",
  limit: "how much came of late",
  osf: "what its sender runs",
  quota: "how much came before",
  recent: "who came of late",
  socket: "which socket of the host is its",
  statistic: "chance",
  string: "what it carries",
  time: "what time the kernel has",
  u32: "what it carries",
};
