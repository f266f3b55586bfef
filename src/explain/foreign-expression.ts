import { asTagged, isObject, type Json, type JsonObject } from "../nft/json.ts";
import { loadField } from "./load.ts";
import { readBits } from "./layer.ts";
import { oneOf } from "./outsider.ts";
import { parseAddress, toBits } from "../base/address.ts";
import { familyOfPacket, type Packet } from "./packet.ts";
import { mayFindSocket } from "./socket.ts";
import type { Context } from "./state.ts";
import type { Loaded } from "./value.ts";

/** What an expression loads that virtwall itself never says, and that the AST keeps as nft's JSON. */
export function loadForeign(json: string, packet: Packet, context: Context): Loaded {
  const [tag = "", value] = asTagged(JSON.parse(json) as Json) ?? [];
  const load = Object.hasOwn(loaders, tag) ? loaders[tag] : undefined;
  return load?.(isObject(value) ? value : {}, packet, context) ?? "unknown";
}

type Loader = (asked: JsonObject, packet: Packet, context: Context) => Loaded;

const loaders: Readonly<Record<string, Loader>> = {
  numgen: loadHash,
  jhash: loadHash,
  symhash: loadHash,
  exthdr: loadExtension,
  "tcp option": loadTcpField,
  "ip option": (asked, packet) =>
    familyOfPacket(packet) === 4 ? loadNone(asked, hasNoOptions(packet)) : "absent",
  "sctp chunk": (asked, packet) =>
    loadNone(asked, packet.protocol !== undefined && packet.protocol !== sctp),
  rt: loadRoute,
  socket: (_, packet, context) => (mayFindSocket(packet, context) ? "unknown" : "absent"),
  osf: (_, packet) => loadFingerprint(packet),
};

const sctp = 132;

/** nft_osf.c looks at what begins a connection alone. */
function loadFingerprint(packet: Packet): Loaded {
  const flags = loadField("tcp", "flags", { packet, mask: synFlag });
  return flags === synFlag ? "unknown" : flags === 0n ? "absent" : flags;
}

const synFlag = 2n;

/** Of what chance or a hash decides only the bounds are known. */
function loadHash({ mod, offset = 0 }: JsonObject): Loaded {
  return typeof mod === "number" && typeof offset === "number"
    ? oneOf(BigInt(mod), BigInt(offset))
    : "unknown";
}

/** A part of the packet that is not there: whether it exists is 0, and its fields end the rule (nft_exthdr.c). */
function loadNone({ field }: JsonObject, isMissing: boolean): Loaded {
  if (!isMissing) return "unknown";
  return field === undefined ? 0n : "absent";
}

/** Headers between that of IPv6 and the next protocol's. */
function loadExtension(asked: JsonObject, packet: Packet): Loaded {
  if (familyOfPacket(packet) !== 6) return "absent";
  const next = loadField("ip6", "nexthdr", { packet });
  const isLast = packet.protocol !== undefined && next === BigInt(packet.protocol);
  return loadNone(asked, isLast && !extensions.has(packet.protocol));
}

/** IANA's numbers: hbh, rt, frag, ah, dst, mh. */
const extensions: ReadonlySet<number> = new Set([0, 43, 44, 51, 60, 135]);

function hasNoOptions(packet: Packet): boolean {
  return loadField("ip", "hdrlength", { packet }) === 5n;
}

/** The field of an option of TCP; nft asks for its presence without one. */
function loadTcpField(asked: JsonObject, packet: Packet): Loaded {
  const { name, field } = asked;
  const option = typeof name === "string" ? fields[`${name} ${String(field)}`] : undefined;
  const found = findTcpOption(packet, option?.kind ?? endOfList);
  if (found === "none") return loadNone(asked, true);
  if (option === undefined || found === "unknown" || packet.transport === undefined) {
    return "unknown";
  }
  return readBits(packet.transport, { offset: found * 8 + option.offset, length: option.length });
}

/** Bits counted from the beginning of the option (nft 1.1, src/tcpopt.c). */
const fields: Readonly<Record<string, { kind: number; offset: number; length: number }>> = {
  "maxseg size": { kind: 2, offset: 16, length: 16 },
  "window count": { kind: 3, offset: 16, length: 8 },
  "timestamp tsval": { kind: 8, offset: 16, length: 32 },
  "timestamp tsecr": { kind: 8, offset: 48, length: 32 },
};

/** Whether the option is there; `absent` for what is not TCP. */
export function loadTcpOption(packet: Packet, kind: number): Loaded {
  const found = findTcpOption(packet, kind);
  if (found === "unknown") return found;
  if (found !== "none") return 1n;
  return packet.protocol === tcp.protocol ? 0n : "absent";
}

const tcp = { protocol: 6, headerBytes: 20 } as const;
const [endOfList, noOperation] = [0, 1];

/** Where it begins, in bytes from the beginning of TCP's header; a list that ends early hides what follows. */
function findTcpOption(packet: Packet, kind: number): number | "none" | "unknown" {
  const { protocol, transport } = packet;
  if (transport === undefined || (protocol !== undefined && protocol !== tcp.protocol))
    return "none";
  const words = loadField("tcp", "doff", { packet });
  if (typeof words !== "bigint") return "unknown";
  for (let at: number = tcp.headerBytes; at < Number(words) * 4;) {
    const [found, length] = [byteAt(packet, at), byteAt(packet, at + 1)];
    if (found === undefined) return "unknown";
    if (found === kind && kind !== endOfList) return at;
    if (found <= noOperation) {
      at += 1;
      continue;
    }
    if (length === undefined) return "unknown";
    if (length < 2) return "none";
    at += length;
  }
  return "none";
}

function byteAt({ transport }: Packet, at: number): number | undefined {
  const bits = transport && readBits(transport, { offset: at * 8, length: 8 });
  return typeof bits === "bigint" ? Number(bits) : undefined;
}

/** What routing has found; ahead of it there is nothing yet (nft_rt.c). */
function loadRoute({ key, family }: JsonObject, packet: Packet, context: Context): Loaded {
  if (context.table.family === "bridge") return "unknown";
  if (context.hook === "prerouting") return isLooped(context) ? "unknown" : "absent";
  if (key === "ipsec") return 0n;
  const own = familyOfPacket(packet);
  if (key !== "nexthop" || own === undefined) return "unknown";
  return (family === "ip") === (own === 4) ? nextHop(own, packet, context) : "absent";
}

/** A packet of the host to itself keeps its route. */
function isLooped({ host, iif }: Context): boolean {
  return host.interfaces.get(iif ?? "")?.isLoopback === true;
}

function nextHop(family: 4 | 6, packet: Packet, { host, hook, iif, oif }: Context): Loaded {
  // The route is that of the source which the packet had before.
  if (hook === "postrouting" && packet.flow.isSourceRewritten) return "unknown";
  const name = family === 4 ? "ip" : "ip6";
  const destination = loadField(name, "daddr", { packet });
  const source = loadField(name, "saddr", { packet });
  if (destination === "absent" || source === "absent") return "unknown";
  const query = { family, source, destination, mark: packet.mark };
  const route = host.route({ ...query, ...(iif !== undefined && { iif }) });
  if (route.kind === "local") return destination;
  if (route.kind !== "unicast" || route.dev !== oif) return "unknown";
  const via = route.via === undefined ? undefined : parseAddress(route.via);
  return via === undefined ? destination : toBits(via);
}
