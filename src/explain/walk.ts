import { toBits } from "../base/address.ts";
import type { Table } from "../nft/ast.ts";
import { loadField } from "./load.ts";
import { type Host } from "./host.ts";
import { type HookPoint, runHook } from "./hook.ts";
import { openLayer, writeBits } from "./layer.ts";
import { withField } from "./mangle.ts";
import { familyOfPacket, type Packet } from "./packet.ts";
import type { Route } from "./routes.ts";
import type { State } from "./state.ts";

/** Where a packet's way ends. */
export type Fate =
  | { readonly kind: "delivered" }
  | { readonly kind: "sent"; readonly dev: string; readonly via?: string }
  | { readonly kind: "dropped" }
  | { readonly kind: "rejected" }
  | { readonly kind: "lost"; readonly reason: string }
  | { readonly kind: "unknown"; readonly reason: string };

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
  if (bridge === undefined) return receive(ground, state, iif);
  const before = at(ground, { layer: "bridge", hook: "prerouting", iif }, [state]);
  return then(before, (entered) => {
    const port = portTo(ground, bridge, entered.packet);
    if (port === undefined) return [{ state: entered, fate: toAllPorts }];
    if (port === "self") {
      const up = at(ground, { layer: "bridge", hook: "input", iif }, [entered]);
      return then(up, (arrived) => receive(ground, arrived, bridge));
    }
    const across = at(ground, { layer: "bridge", hook: "forward", iif, oif: port }, [entered]);
    return then(across, (out) => leavePort(ground, out, port));
  });
}

const toAllPorts: Fate = {
  kind: "unknown",
  reason: "a bridge that would send it to all its ports",
};

function portTo(ground: Ground, bridge: string, packet: Packet): string | undefined {
  const mac = loadField("ether", "daddr", { packet });
  return typeof mac === "bigint" ? ground.host.portTo(bridge, mac) : undefined;
}

function leavePort(ground: Ground, state: State, port: string): Way[] {
  const gone = at(ground, { layer: "bridge", hook: "postrouting", oif: port }, [state]);
  return then(gone, (out) => [{ state: out, fate: { kind: "sent", dev: port } }]);
}

function receive(ground: Ground, received: State, iif: string): Way[] {
  const before = at(ground, { layer: "ip", hook: "prerouting", iif }, [received]);
  return then(before, (state) => {
    const route = routeOf(ground, state.packet, iif);
    if (route.kind === "local") return deliver(ground, state, iif);
    return route.kind === "unicast"
      ? forward(ground, state, { iif, ...route })
      : [{ state, fate: fateOf(route) }];
  });
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
    return isBridge(ground, dev)
      ? enterBridge(ground, out, { dev, ...(via !== undefined && { via }) })
      : [{ state: out, fate: { kind: "sent", dev, ...(via !== undefined && { via }) } }];
  });
}

/** What the host sends to itself is received again; its route and flow stay what they are. */
function comeBack(ground: Ground, state: State, dev: string): Way[] {
  const packet: Packet = { ...withLink(state.packet, 0n, 0n), hasSocket: false };
  const before = at(ground, { layer: "ip", hook: "prerouting", iif: dev }, [{ ...state, packet }]);
  return then(before, (arrived) => deliver(ground, arrived, dev));
}

function deliver(ground: Ground, state: State, iif: string): Way[] {
  const input = at(ground, { layer: "ip", hook: "input", iif }, [state]);
  return then(input, (arrived) => [{ state: arrived, fate: { kind: "delivered" } }]);
}

function isBridge(ground: Ground, dev: string): boolean {
  return ground.host.interfaces.get(dev)?.kind === "bridge";
}

/** The host's own frame into one of its bridges. */
function enterBridge(ground: Ground, state: State, { dev, via }: Leaving): Way[] {
  const hop = via === undefined ? destinationOf(state.packet) : toBits(via);
  const mac = hop === "unknown" ? undefined : ground.host.neighbour(dev, hop);
  const own = ground.host.interfaces.get(dev)?.mac;
  const port = mac === undefined ? undefined : ground.host.portTo(dev, mac);
  if (mac === undefined || port === undefined) {
    const reason = `where on ${dev} the next hop is`;
    return [{ state, fate: { kind: "unknown", reason } }];
  }
  if (port === "self") return [{ state, fate: { kind: "lost", reason: "its own frame" } }];
  const framed = { ...state, packet: withLink(state.packet, mac, own ?? "unknown") };
  const out = at(ground, { layer: "bridge", hook: "output", oif: port }, [framed]);
  return then(out, (left) => leavePort(ground, left, port));
}

function withLink(packet: Packet, to: bigint, from: bigint | "unknown"): Packet {
  const empty = { ...openLayer(14), isOpen: false };
  const addressed = writeBits(empty, { offset: 0, length: 48 }, to);
  const link = writeBits(addressed, { offset: 48, length: 48 }, from);
  const type = { offset: 96, length: 16 };
  return { ...packet, link: writeBits(link, type, BigInt(packet.etherType)) };
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

type Crossing = ReturnType<typeof runHook>;

function at(ground: Ground, point: HookPoint, states: readonly State[]): Crossing {
  return runHook(ground.tables, point, { states, host: ground.host });
}

function then(crossing: Crossing, next: (state: State) => readonly Way[]): Way[] {
  return crossing.flatMap(({ state, verdict }): readonly Way[] => {
    switch (verdict) {
      case "accept":
        return next(state);
      case "drop":
        return [{ state, fate: { kind: "dropped" } }];
      case "reject":
        return [{ state, fate: { kind: "rejected" } }];
      default:
        return [{ state, fate: { kind: "unknown", reason: "a rule" } }];
    }
  });
}

function fateOf(route: Route): Fate {
  if (route.kind === "none") return { kind: "lost", reason: route.reason };
  const reason = route.kind === "unknown" ? route.reason : `a destination that is ${route.kind}`;
  return { kind: "unknown", reason };
}

function destinationOf(packet: Packet): bigint | "unknown" {
  const address = loadField(familyOfPacket(packet) === 4 ? "ip" : "ip6", "daddr", { packet });
  return typeof address === "bigint" ? address : "unknown";
}

function routeOf(ground: Ground, packet: Packet, iif: string | undefined): Route {
  const family = familyOfPacket(packet);
  const destination = destinationOf(packet);
  if (family === undefined || destination === "unknown") {
    return { kind: "unknown", reason: "the destination" };
  }
  const source = loadField(family === 4 ? "ip" : "ip6", "saddr", { packet });
  return ground.host.route({
    family,
    destination,
    source: typeof source === "bigint" ? source : "unknown",
    mark: packet.mark,
    ...(iif !== undefined && { iif }),
  });
}
