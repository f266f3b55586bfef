import type { Chain, Table, TableFamily } from "../nft/ast.ts";
import { type Ended, runBaseChain } from "./chain.ts";
import type { Host } from "./host.ts";
import { applyFlow, endAt } from "./nat.ts";
import { familyOfPacket, type Flow, isTracked, type Packet } from "./packet.ts";
import type { Context, Hook, State } from "./state.ts";
import { isTracking, isTrackingBridged } from "./tracking.ts";

/** One hook of the kernel at which a packet stands. */
export interface HookPoint {
  readonly layer: "bridge" | "ip";
  readonly hook: Hook;
  readonly iif?: string;
  readonly oif?: string;
  /** What else runs at the hook, such as the chains of IP that br_netfilter calls at a hook of the bridge. */
  readonly also?: Station;
}

/** Something that a packet meets at a hook. */
export interface Station {
  readonly priority: number;
  readonly run: (states: readonly State[]) => readonly Ended[];
}

const trackingPriority = -200;

/**
 * The packet at one hook, through all its base chains of all tables. Those who come out with `accept` go on to what the kernel
 * does next.
 */
export function runHook(
  tables: readonly Table[],
  point: HookPoint,
  { states, host }: { states: readonly State[]; host: Host },
): Ended[] {
  const packet = states[0]?.packet;
  if (packet === undefined) return [];
  let live = states;
  const ended: Ended[] = [];
  for (const station of stationsOf(tables, point, { packet, host })) {
    const ends = station.run(live);
    ended.push(...ends.filter(({ verdict }) => verdict !== "accept"));
    live = ends.filter(({ verdict }) => verdict === "accept").map(({ state }) => state);
  }
  return [...ended, ...live.map((state) => ({ state, verdict: "accept" as const }))];
}

/** The kernel puts a chain ahead of those that have its priority already (nf_hook_entries_grow). */
function stationsOf(
  tables: readonly Table[],
  point: HookPoint,
  { packet, host }: { packet: Packet; host: Host },
): Station[] {
  const families = familiesOf(point, packet);
  const stations: Station[] = [];
  const natChains: NatChain[] = [];
  let hasNat = false;
  if (point.also !== undefined) stations.push(point.also);
  if (isTracker(tables, point, packet)) stations.push({ priority: trackingPriority, run: track });
  for (const table of tables.filter(({ family }) => families.has(family))) {
    for (const chain of table.dormant === true ? [] : table.chains) {
      const { base } = chain;
      // One chain of type nat sets the kernel's nat up in all hooks (nf_nat_register_fn).
      if (base?.type === "nat" && !hasNat) {
        hasNat = true;
        if (point.hook !== "forward") stations.push(natStation(natChains, point.hook));
      }
      if (base?.hook !== point.hook) continue;
      const context: Context = { ...point, host, table };
      if (base.type === "nat") natChains.push({ chain, context, priority: base.priority });
      else {
        const run = (states: readonly State[]) => runBaseChain(chain, states, context);
        stations.push({ priority: base.priority, run });
      }
    }
  }
  natChains.reverse().sort((a, b) => a.priority - b.priority);
  return stations.toReversed().toSorted((a, b) => a.priority - b.priority);
}

/** Whether connection tracking sees the packet at that hook first. */
function isTracker(tables: readonly Table[], { layer, hook }: HookPoint, packet: Packet): boolean {
  if (layer === "bridge" && hook === "prerouting" && isTrackingBridged(tables)) return true;
  const isEntry = layer === "ip" && (hook === "prerouting" || hook === "output");
  const family = familyOfPacket(packet);
  return isEntry && family !== undefined && isTracking(tables, family);
}

function familiesOf({ layer }: HookPoint, packet: Packet): ReadonlySet<TableFamily> {
  if (layer === "bridge") return new Set(["bridge"]);
  return new Set(["inet", familyOfPacket(packet) === 4 ? "ip" : "ip6"]);
}

function track(states: readonly State[]): Ended[] {
  return states.map((state) => ({
    verdict: "accept",
    state:
      state.packet.tracking === "ahead"
        ? { ...state, packet: { ...state.packet, tracking: "done" } }
        : state,
  }));
}

interface NatChain {
  readonly chain: Chain;
  readonly context: Context;
  readonly priority: number;
}

/**
 * All chains of type nat of a hook run where the kernel's nat does (nf_nat_proto.c), whatever priority they name: that only orders
 * them among themselves. They are asked once a flow, and the first rule that rewrites ends it.
 */
function natStation(chains: readonly NatChain[], hook: Hook): Station {
  const end = endAt(hook);
  return {
    priority: end === "source" ? 100 : -100,
    run: (states) => states.flatMap((state) => translateAt(chains, hook, state)),
  };
}

function translateAt(chains: readonly NatChain[], hook: Hook, state: State): Ended[] {
  if (!isTracked(state.packet)) return [{ state, verdict: "accept" }];
  const asked = isAsked(state, hook) ? ask(chains, hook, state) : [];
  const settled: readonly Ended[] = asked.length > 0 ? asked : [{ state, verdict: "accept" }];
  return settled.map((ended) =>
    ended.verdict === "accept"
      ? { ...ended, state: { ...ended.state, packet: applyFlow(ended.state.packet, hook) } }
      : ended,
  );
}

/** Of a flow that has begun before, and of which nobody told how it is rewritten, they say what they said then. */
function isAsked(state: State, hook: Hook): boolean {
  const { flow } = state.packet;
  const hasState = flow.state === "new" || flow.state === "established";
  return hasState && flow.direction === "original" && !isSettled(state, hook);
}

function isSettled({ packet: { flow } }: State, hook: Hook): boolean {
  return endAt(hook) === "source" ? flow.isSourceSettled : flow.isDestinationSettled;
}

function ask(chains: readonly NatChain[], hook: Hook, state: State): Ended[] {
  const { flow } = state.packet;
  let live: readonly State[] = [inState(state, "new")];
  const ended: Ended[] = [];
  for (const { chain, context } of chains) {
    const ends = runBaseChain(chain, live, context);
    const isOver = (each: Ended) => each.verdict !== "accept" || isSettled(each.state, hook);
    ended.push(...ends.filter(isOver));
    live = ends.filter((each) => !isOver(each)).map((each) => each.state);
  }
  const left = live.map((each) => ({ state: settle(each, hook), verdict: "accept" as const }));
  return [...ended, ...left].map((each) => ({ ...each, state: inState(each.state, flow.state) }));
}

function inState(state: State, name: Flow["state"]): State {
  const { packet } = state;
  return { ...state, packet: { ...packet, flow: { ...packet.flow, state: name } } };
}

function settle(state: State, hook: Hook): State {
  const { packet } = state;
  const settled =
    endAt(hook) === "source" ? { isSourceSettled: true } : { isDestinationSettled: true };
  return { ...state, packet: { ...packet, flow: { ...packet.flow, ...settled } } };
}
