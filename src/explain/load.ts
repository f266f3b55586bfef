import { isAskedTime, loadTime, readAskedTime } from "./clock.ts";
import { familyOfPacket, isTracked, type Packet, type Tuple } from "./packet.ts";
import { fieldOf, networkProtocols, transportProtocols } from "./fields.ts";
import { readBits, type Layer, type Span } from "./layer.ts";
import type { Interface } from "./host.ts";
import type { Context } from "./state.ts";
import { symbolValue } from "./symbols.ts";
import { type Loaded, nameBits } from "./value.ts";

/** `meta KEY` of a packet in a hook. */
export function loadMeta(key: string, packet: Packet, context: Context): Loaded {
  switch (key) {
    case "mark":
      return packet.mark;
    case "length":
      return packet.length;
    case "protocol":
      return BigInt(packet.etherType);
    case "nfproto":
      return loadFamily(packet, context);
    case "l4proto":
      return loadProtocol(packet);
    case "pkttype":
      return symbolValue("pkt_type", packet.type) ?? "unknown";
    case "skuid":
    case "skgid":
      return mayHaveSocket(packet, context) ? "unknown" : "absent";
    case "time":
    case "hour":
    case "day":
      return loadTime(key, context.host.clock);
    default:
      return loadOther(key, packet, context);
  }
}

/** Also what iptables asks, in words that nft has not. */
function loadOther(key: string, packet: Packet, context: Context): Loaded {
  if (key === "ipsec" || key === "secpath") return 0n;
  if (key.startsWith("physdev ")) return loadPort(key, packet);
  if (key.startsWith(`${askedTime} `)) return loadAskedTime(key, context);
  return loadInterface(key, context);
}

/** Ahead of the words of iptables' match on the time. */
export const askedTime = "xt-time";

function loadAskedTime(key: string, { host }: Context): Loaded {
  const asked = readAskedTime(key.split(" ").slice(1));
  const answer = asked === undefined ? "maybe" : isAskedTime(asked, host.clock);
  if (answer === "maybe") return "unknown";
  return answer === "yes" ? 1n : 0n;
}

function loadProtocol({ transport, protocol }: Packet): Loaded {
  if (transport === undefined) return "absent";
  return protocol === undefined ? "unknown" : BigInt(protocol);
}

/**
 * What iptables' physdev asks, under words that nft has not. Of a packet that left by no port of its bridge the name of that port is
 * none's, whatever is asked; of one that came over no bridge it is another one's (xt_physdev.c).
 */
function loadPort(key: string, { ports }: Packet): Loaded {
  switch (key) {
    case "physdev in":
      return nameBits(ports?.in ?? "");
    case "physdev out":
      return ports !== undefined && ports.out === undefined ? "absent" : nameBits(ports?.out ?? "");
    case "physdev is-in":
      return ports === undefined ? 0n : 1n;
    default:
      return ports?.out === undefined ? 0n : 1n;
  }
}

/** The bridge of a port (nft_meta_bridge.c). */
function loadBridge(port: string | undefined, { host }: Context): Loaded {
  const bridge = port === undefined ? undefined : host.bridgeOf(port);
  return bridge === undefined ? "absent" : nameBits(bridge);
}

/** The kernel may find the socket ahead of the input chains (early demux), and a frame from a tap still has the tap's. */
function mayHaveSocket(packet: Packet, context: Context): boolean {
  return packet.hasSocket || context.hook === "input" || context.table.family === "bridge";
}

/** Of interfaces (ARPHRD_ETHER). */
const ether = 1n;

function isOtherThanEther(context: Context): boolean {
  const type = loadInterface("iiftype", context);
  return typeof type === "bigint" && type !== ether;
}

function loadFamily(packet: Packet, context: Context): Loaded {
  if (context.table.family === "bridge") return 7n;
  return familyOfPacket(packet) === 4 ? 2n : 10n;
}

/** At a hook that has no such interface the kernel (nft_meta.c) takes its name for empty and its index for 0. */
function loadInterface(key: string, context: Context): Loaded {
  if (key === "ibrname") return loadBridge(context.iif, context);
  if (key === "obrname") return loadBridge(context.oif, context);
  const isIncoming = key.startsWith("iif");
  if (!isIncoming && !key.startsWith("oif")) return "unknown";
  const name = isIncoming ? context.iif : context.oif;
  const what = key.slice(3);
  if (what === "" || what === "name") return nameBits(name ?? "");
  // Where the hook gives no interface the kernel may go by the packet's own.
  if (name === undefined) return what === "type" ? "unknown" : "absent";
  const device = context.host.interfaces.get(name);
  return device === undefined ? "unknown" : loadKind(device, what);
}

function loadKind(device: Interface, what: string): Loaded {
  switch (what) {
    case "group":
      return device.group === undefined ? "unknown" : BigInt(device.group);
    case "kind":
      return device.kind === undefined ? "absent" : nameBits(device.kind);
    case "type":
      return device.isLoopback ? 772n : ether;
    default:
      return "unknown";
  }
}

/** A header field by nft's names, with the matches on protocols that nft puts ahead of it unsaid. */
export function loadField(
  protocol: string,
  name: string,
  { packet, context, mask }: { packet: Packet; context?: Context; mask?: bigint },
): Loaded {
  const field = fieldOf(protocol, name);
  if (field === undefined) return "unknown";
  const isBridged = context === undefined || context.table.family === "bridge";
  const isOther = !isBridged && isOtherThanEther(context);
  if (field.base === "link" && isOther) return "absent";
  const network = networkProtocols[protocol];
  if (network !== undefined && network !== packet.etherType) return "absent";
  const transport = transportProtocols[protocol];
  if (transport !== undefined && packet.protocol !== transport) {
    return packet.protocol === undefined && packet.transport !== undefined ? "unknown" : "absent";
  }
  const loaded = loadBits({ ...field, mask }, packet);
  return loaded === "unknown" && mask === undefined ? loadOutsider(name, packet) : loaded;
}

function loadOutsider(name: string, { outsiders }: Packet): Loaded {
  return (name === "saddr" || name === "daddr" ? outsiders?.[name] : undefined) ?? "unknown";
}

/** Bits of the packet, wherever they lie; with a mask, those of them that it holds. */
export function loadBits(
  span: Span & {
    readonly base: "link" | "network" | "transport";
    readonly mask: bigint | undefined;
  },
  packet: Packet,
): Loaded {
  const layer: Layer | undefined = packet[span.base];
  return layer === undefined ? "absent" : readBits(layer, span, span.mask);
}

/** `ct KEY`; keys but the state exist only for a packet whose flow is tracked. */
export function loadConntrack(
  key: string,
  direction: "original" | "reply" | undefined,
  packet: Packet,
): Loaded {
  const { flow } = packet;
  if (key === "state") return loadState(packet);
  if (!isTracked(packet)) return "absent";
  switch (key) {
    case "mark":
      return flow.mark;
    case "direction":
      return flow.direction === "original" ? 0n : 1n;
    case "l3proto":
      return familyOfPacket(packet) === 4 ? 2n : 10n;
    case "protocol":
      return packet.protocol === undefined ? "unknown" : BigInt(packet.protocol);
    case "zone":
      return 0n;
    default:
      return loadTuple(key, direction === "reply" ? flow.reply : flow.original, packet);
  }
}

function loadState(packet: Packet): Loaded {
  if (packet.tracking === "skipped") return symbolValue("ct_state", "untracked") ?? "unknown";
  const word = packet.tracking === "ahead" ? "invalid" : packet.flow.state;
  return symbolValue("ct_state", word) ?? "unknown";
}

function loadTuple(key: string, tuple: Tuple, packet: Packet): Loaded {
  const [family, end] = key.includes(" ") ? key.split(" ") : ["", key];
  const isFamily = family === "" || (family === "ip") === (familyOfPacket(packet) === 4);
  if (!isFamily) return "absent";
  switch (end) {
    case "saddr":
      return tuple.source;
    case "daddr":
      return tuple.destination;
    case "proto-src":
      return tuple.sourcePort ?? "unknown";
    case "proto-dst":
      return tuple.destinationPort ?? "unknown";
    default:
      return "unknown";
  }
}

const statusBits = { seenReply: 2n, source: 16n, destination: 32n };

/**
 * The bits of `ct status` that `mask` asks for: unknown where it asks for one that this evaluator does not follow (assured,
 * confirmed, dying).
 */
export function loadStatus(mask: bigint, packet: Packet): Loaded {
  if (!isTracked(packet)) return "absent";
  const { flow } = packet;
  if (flow.state === "related") return "unknown";
  const known = statusBits.seenReply | statusBits.source | statusBits.destination;
  let bits = flow.state === "established" ? statusBits.seenReply : 0n;
  if (flow.isSourceRewritten) bits |= statusBits.source;
  if (flow.isDestinationRewritten) bits |= statusBits.destination;
  return (mask & ~known) === 0n ? bits & mask : "unknown";
}
