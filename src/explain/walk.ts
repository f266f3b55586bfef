import { toBits } from "../base/address.ts";
import type { Table } from "../nft/ast.ts";
import { loadField } from "./load.ts";
import type { Host } from "./host.ts";
import { type HookPoint, runHook, type Station } from "./hook.ts";
import type { Loss } from "./loss.ts";
import { neighbourAnswer, withLink } from "./make-packet.ts";
import { withField } from "./mangle.ts";
import { besideMacvtap, type NextHop, silence } from "./next-hop.ts";
import { familyOfPacket, type Packet } from "./packet.ts";
import type { Route } from "./routes.ts";
import type { State } from "./state.ts";
import type { Known } from "./value.ts";

/** Where a packet's way ends. */
export type Fate =
  | { readonly kind: "delivered"; readonly iif: string }
  | { readonly kind: "sent"; readonly dev: string; readonly via?: string }
  | { readonly kind: "dropped" }
  | { readonly kind: "rejected" }
  | { readonly kind: "lost"; readonly loss: Loss }
  /** `missing`: what would have to be known, where somebody can help. */
  | { readonly kind: "unknown"; readonly reason: string; readonly missing?: Missing };

/** The interface by which a packet comes, or the port of a bridge behind which somebody is. */
export type Missing = "interface" | "port";

/** One way that the packet may go. */
export interface Way {
  readonly state: State;
  readonly fate: Fate;
}

/** What a packet walks through. */
export interface Ground {
  readonly tables: readonly Table[];
  readonly host: Host;
}

/** All ways of a packet that an interface of the host receives: one, where everything is known that decides. */
export function walkReceived(ground: Ground, packet: Packet, iif: string): Way[] {
  const state = stateOf(packet);
  const bridge = ground.host.bridgeOf(iif);
  return bridge === undefined
    ? receive(ground, state, iif)
    : enterPort(ground, state, { iif, bridge });
}

/** From a port of a bridge on. */
function enterPort(ground: Ground, state: State, { iif, bridge }: Omit<Crossing, "port">): Way[] {
  const { packet } = state;
  const isFiltered = isFilteredOnBridge(ground, packet);
  const seen = isFiltered ? { ...state, packet: { ...packet, ports: { in: iif } } } : state;
  const before = at(
    ground,
    {
      layer: "bridge",
      hook: "prerouting",
      iif,
      ...(isFiltered && { also: onBridge(ground, { hook: "prerouting", iif: bridge }) }),
    },
    [seen],
  );
  return then(before, (entered) => {
    const isMoved = isRewritten(packet, entered.packet);
    const port = isMoved ? "self" : portTo(ground, bridge, entered.packet);
    // Nobody follows here what br_netfilter does with a frame that nat leads back to its bridge.
    if (isMoved && !leavesBridge(ground, entered.packet, bridge)) {
      return [{ state: entered, fate: rewrittenOnBridge }];
    }
    if (port === undefined) return flood(ground, entered, { iif, bridge });
    if (port === "self") {
      const up = at(ground, { layer: "bridge", hook: "input", iif }, [entered]);
      return then(up, (arrived) =>
        isFiltered ? routeReceived(ground, arrived, bridge) : receive(ground, arrived, bridge),
      );
    }
    return cross(ground, entered, { iif, bridge, port });
  });
}

/** A bridge that does not know behind which port the receiver is asks all; so does who follows it, and knows what all answer alike. */
function flood(ground: Ground, state: State, { iif, bridge }: Omit<Crossing, "port">): Way[] {
  const reason = `to whom on ${bridge} it is handed`;
  const open: Way[] = [{ state, fate: { kind: "unknown", reason, missing: "port" } }];
  const stopped: Way[] = [];
  for (const port of ground.host.portsOf(bridge).filter((each) => each !== iif)) {
    const ways = cross(ground, state, { iif, bridge, port });
    if (!ways.every(({ fate }) => isRefused(fate))) return open;
    stopped.push(...ways);
  }
  return stopped.length > 0 ? stopped : open;
}

const isRefused = ({ kind }: Fate): boolean => kind === "dropped" || kind === "rejected";

const rewrittenOnBridge: Fate = { kind: "unknown", reason: "nat of a bridged frame" };

/** br_netfilter hands a frame to the host that nat leads elsewhere (br_nf_pre_routing_finish). */
function leavesBridge(ground: Ground, packet: Packet, bridge: string): boolean {
  const route = routeOf(ground, packet, bridge);
  return route.kind === "local" || (route.kind === "unicast" && route.dev !== bridge);
}

function isFilteredOnBridge({ host }: Ground, packet: Packet): boolean {
  const family = familyOfPacket(packet);
  return family !== undefined && host.filtersBridged(family);
}

/** The chains of IP that br_netfilter calls from within a hook of the bridge; the last of all in postrouting. */
function onBridge(ground: Ground, point: Omit<HookPoint, "layer">): Station {
  const priority = point.hook === "postrouting" ? 0x7fffffff : 0;
  // There the kernel takes a frame for somebody else as one for the host (setup_pre_routing), and for good where nat has led it
  // elsewhere (br_nf_pre_routing_finish).
  const run = (states: readonly State[]) =>
    states.flatMap((state) =>
      at(ground, { layer: "ip", ...point }, [withType(state, "host")]).map((ended) => ({
        ...ended,
        state: isRewritten(state.packet, ended.state.packet)
          ? ended.state
          : withType(ended.state, state.packet.type),
      })),
    );
  return { priority, run };
}

function withType(state: State, type: Packet["type"]): State {
  return { ...state, packet: { ...state.packet, type } };
}

interface Crossing {
  readonly iif: string;
  readonly bridge: string;
  readonly port: string;
}

/** From one port of a bridge to another. */
function cross(ground: Ground, state: State, { iif, bridge, port }: Crossing): Way[] {
  const isFiltered = isFilteredOnBridge(ground, state.packet);
  const also = (hook: "forward" | "postrouting", ends: { iif?: string; oif: string }) =>
    isFiltered ? { also: onBridge(ground, { hook, ...ends }) } : {};
  const ends = { iif: bridge, oif: bridge };
  const going = isFiltered
    ? { ...state, packet: { ...state.packet, ports: { in: iif, out: port } } }
    : state;
  const across = at(
    ground,
    { layer: "bridge", hook: "forward", iif, oif: port, ...also("forward", ends) },
    [going],
  );
  return then(across, (out) =>
    leavePort(ground, out, { oif: port, ...also("postrouting", { oif: bridge }) }),
  );
}

function portTo(ground: Ground, bridge: string, packet: Packet): string | undefined {
  const mac = loadField("ether", "daddr", { packet });
  return typeof mac === "bigint" ? ground.host.portTo(bridge, mac) : undefined;
}

function leavePort(ground: Ground, state: State, end: Pick<HookPoint, "oif" | "also">): Way[] {
  const { oif = "" } = end;
  const gone = at(ground, { layer: "bridge", hook: "postrouting", ...end }, [state]);
  return then(gone, (out) => {
    const leg = ground.host.peerOf(oif);
    return leg === undefined || ground.host.bridgeOf(leg) !== undefined
      ? [{ state: out, fate: { kind: "sent", dev: oif } }]
      : receive(ground, trackedAnew(out), leg);
  });
}

/** What comes out at the other end of a pair is tracked anew, in the flow that it is of (skb_scrub_packet). */
function trackedAnew(state: State): State {
  const { ports: _, ...packet } = state.packet;
  return { ...state, packet: { ...packet, type: "host", hasSocket: false, tracking: "ahead" } };
}

function receive(ground: Ground, received: State, iif: string): Way[] {
  // ARP meets no chain of IP.
  if (familyOfPacket(received.packet) === undefined) {
    return [{ state: received, fate: { kind: "delivered", iif } }];
  }
  const before = at(ground, { layer: "ip", hook: "prerouting", iif }, [received]);
  return then(before, (state) => routeReceived(ground, state, iif));
}

function routeReceived(ground: Ground, state: State, iif: string): Way[] {
  const family = familyOfPacket(state.packet);
  const route = routeOf(ground, state.packet, iif);
  if (family === undefined) return [{ state, fate: fateOf(route) }];
  const source = addressOf(state.packet, "saddr");
  const refusal = source === "unknown" ? undefined : ground.host.refuses(family, source, iif);
  if (refusal !== undefined) return lose(state, refusal);
  if (route.kind === "local") return deliver(ground, state, iif);
  if (route.kind !== "unicast") return [{ state, fate: fateOf(route) }];
  if (ground.host.forwards(family, iif)) return forward(ground, state, { iif, ...route });
  return lose(state, { why: "not forwarded", iif });
}

/** All ways of a packet that a process of the host sends. */
export function walkSent(ground: Ground, packet: Packet): Way[] {
  const first = routeOf(ground, packet, undefined);
  const state = stateOf(packet);
  if (first.kind !== "unicast" && first.kind !== "local") return [{ state, fate: fateOf(first) }];
  const oif = first.kind === "local" ? "lo" : first.dev;
  const output = at(ground, { layer: "ip", hook: "output", oif }, [state]);
  return then(output, (out) => {
    const route = isRewritten(packet, out.packet) ? routeOf(ground, out.packet, undefined) : first;
    if (route.kind === "local") return leave(ground, out, { dev: "lo" });
    return route.kind === "unicast"
      ? leave(ground, out, route)
      : [{ state: out, fate: fateOf(route) }];
  });
}

/** The kernel looks for a route again where nat has written another destination. */
function isRewritten(before: Packet, after: Packet): boolean {
  return destinationOf(before) !== destinationOf(after);
}

interface Leaving {
  readonly dev: string;
  readonly via?: string;
  readonly iif?: string;
}

function forward(
  ground: Ground,
  state: State,
  { iif, dev, via }: Leaving & { iif: string },
): Way[] {
  const aged = { ...state, packet: lowerTtl(state.packet) };
  const passed = at(ground, { layer: "ip", hook: "forward", iif, oif: dev }, [aged]);
  return then(passed, (out) => leave(ground, out, { dev, iif, ...(via !== undefined && { via }) }));
}

function leave(ground: Ground, state: State, { dev, via, iif }: Leaving): Way[] {
  const point = { layer: "ip", hook: "postrouting", oif: dev } as const;
  const gone = at(ground, { ...point, ...(iif !== undefined && { iif }) }, [state]);
  return then(gone, (out) => {
    if (ground.host.interfaces.get(dev)?.isLoopback === true) return comeBack(ground, out, dev);
    const next = { dev, hop: via === undefined ? destinationOf(out.packet) : toBits(via) };
    const deaf = besideMacvtap(ground.host, next);
    if (deaf !== undefined) return lose(out, deaf);
    if (isBridge(ground, dev)) return enterBridge(ground, out, next);
    const silent = silence(ground.host, out.packet, next);
    if (silent !== undefined) return lose(out, silent);
    const fate: Fate = { kind: "sent", dev, ...(via !== undefined && { via }) };
    return byLeg(ground, out, next) ?? [{ state: out, fate }];
  });
}

function lose(state: State, loss: Loss): Way[] {
  return [{ state, fate: { kind: "lost", loss } }];
}

/** By a leg of the host's into the bridge on which that stands; undefined where it is none, or nobody knows to whom. */
function byLeg(ground: Ground, state: State, { dev, hop }: NextHop): Way[] | undefined {
  const { host } = ground;
  const iif = host.peerOf(dev) ?? "";
  const bridge = host.bridgeOf(iif);
  const to = typeof hop === "bigint" ? host.neighbour(dev, hop) : undefined;
  if (bridge === undefined || to === undefined) return undefined;
  const from = host.interfaces.get(dev)?.mac ?? "unknown";
  const framed = { ...state, packet: withLink(state.packet, { to, from }) };
  return enterPort(ground, trackedAnew(framed), { iif, bridge });
}

/** What the host sends to itself is received again; its route and flow stay what they are. */
function comeBack(ground: Ground, state: State, dev: string): Way[] {
  const packet: Packet = { ...withLink(state.packet, { to: 0n, from: 0n }), hasSocket: false };
  const before = at(ground, { layer: "ip", hook: "prerouting", iif: dev }, [{ ...state, packet }]);
  return then(before, (arrived) => deliver(ground, arrived, dev));
}

function deliver(ground: Ground, state: State, iif: string): Way[] {
  const input = at(ground, { layer: "ip", hook: "input", iif }, [state]);
  return then(input, (arrived) => [{ state: arrived, fate: { kind: "delivered", iif } }]);
}

function isBridge(ground: Ground, dev: string): boolean {
  return ground.host.interfaces.get(dev)?.kind === "bridge";
}

/** The host's own frame into one of its bridges. */
function enterBridge(ground: Ground, state: State, { dev, hop }: NextHop): Way[] {
  const mac = typeof hop === "bigint" ? ground.host.neighbour(dev, hop) : undefined;
  const own = ground.host.interfaces.get(dev)?.mac;
  const port = mac === undefined ? undefined : ground.host.portTo(dev, mac);
  const tap = mac === undefined ? undefined : ground.host.detached(dev, mac);
  if (tap !== undefined) return lose(state, { why: "detached", tap, bridge: dev });
  if (port === "self") return lose(state, { why: "own frame" });
  const silent = silence(ground.host, state.packet, { dev, hop });
  if (mac === undefined || port === undefined) {
    const reason = `where on ${dev} the next hop is`;
    return silent === undefined
      ? [{ state, fate: { kind: "unknown", reason, missing: "port" } }]
      : lose(state, silent);
  }
  if (silent !== undefined) {
    const kept = unheard(ground, state.packet, { dev, hop, mac, port });
    return kept.length > 0 ? kept : lose(state, silent);
  }
  const framed = { ...state, packet: withLink(state.packet, { to: mac, from: own ?? "unknown" }) };
  const out = at(ground, { layer: "bridge", hook: "output", oif: port }, [framed]);
  return then(out, (left) => leavePort(ground, left, { oif: port }));
}

interface Neighbour extends NextHop {
  readonly mac: bigint;
  readonly port: string;
}

/** The ways of what a neighbour says to the host that asks for it in vain, where rules keep all of it from the host. */
function unheard(ground: Ground, packet: Packet, { dev, hop, mac, port }: Neighbour): Way[] {
  const family = familyOfPacket(packet);
  const bridge = ground.host.interfaces.get(dev);
  const own = bridge?.addresses.find((address) => address.family === family);
  if (family === undefined || own === undefined || bridge === undefined) return [];
  if (typeof hop !== "bigint") return [];
  const to = { address: own.bits, mac: bridge.mac };
  const ways = walkReceived(ground, neighbourAnswer(family, { address: hop, mac }, to), port);
  return ways.every(({ fate }) => isRefused(fate)) ? ways : [];
}

/** The kernel counts down before it asks the forward chains (ip_forward, ip6_forward). */
function lowerTtl(packet: Packet): Packet {
  const field =
    familyOfPacket(packet) === 4 ? (["ip", "ttl"] as const) : (["ip6", "hoplimit"] as const);
  const ttl = loadField(field[0], field[1], { packet });
  return typeof ttl === "bigint" ? withField(packet, field, ttl - 1n) : packet;
}

function stateOf(packet: Packet): State {
  return { packet, trail: [], doubts: [], sets: [] };
}

type Passed = ReturnType<typeof runHook>;

function at(ground: Ground, point: HookPoint, states: readonly State[]): Passed {
  return runHook(ground.tables, point, { states, host: ground.host });
}

function then(crossing: Passed, next: (state: State) => readonly Way[]): Way[] {
  return crossing.flatMap(({ state, verdict }): readonly Way[] => {
    switch (verdict) {
      case "accept":
        return next(state);
      case "drop":
        return [{ state, fate: { kind: "dropped" } }];
      case "reject":
        return [{ state, fate: { kind: "rejected" } }];
      default: {
        const reason = `it depends on ${state.doubts.at(-1)?.reason ?? "a rule"}`;
        return [{ state, fate: { kind: "unknown", reason } }];
      }
    }
  });
}

function fateOf(route: Route): Fate {
  if (route.kind === "none") return { kind: "lost", loss: route.loss };
  const reason = route.kind === "unknown" ? route.reason : `a destination that is ${route.kind}`;
  return { kind: "unknown", reason };
}

function destinationOf(packet: Packet): Known {
  return addressOf(packet, "daddr");
}

function routeOf(ground: Ground, packet: Packet, iif: string | undefined): Route {
  const family = familyOfPacket(packet);
  const destination = destinationOf(packet);
  if (family === undefined) return { kind: "unknown", reason: "its protocol" };
  if (destination === "unknown") return { kind: "unknown", reason: "its new destination" };
  return ground.host.route({
    family,
    destination,
    source: addressOf(packet, "saddr"),
    mark: packet.mark,
    ...(iif !== undefined && { iif }),
  });
}

function addressOf(packet: Packet, end: "saddr" | "daddr"): Known {
  const address = loadField(familyOfPacket(packet) === 4 ? "ip" : "ip6", end, { packet });
  return address === "absent" ? "unknown" : address;
}
