import type { Table } from "../nft/ast.ts";
import type { Host } from "./host.ts";
import type { Packet } from "./packet.ts";
import type { Loaded } from "./value.ts";

/** A rule in a listing: the `index` counts from 0. */
export interface RulePlace {
  readonly table: Table;
  readonly chain: string;
  readonly index: number;
}

/** One step on a packet's way: a rule that matched wholly, or the end of a chain. */
export interface Step {
  readonly table: Table;
  readonly chain: string;
  /** Absent for the end of the chain. */
  readonly index?: number;
  /** What the step came to, in nft's words. `policy accept` and `return` for the end of a chain. */
  readonly verdict: string;
  /** Where it was evaluated, for those who ask how it came to that. */
  readonly context?: Context;
}

/** A rule of which one cannot know what it does, and why. */
export interface Doubt {
  readonly place: RulePlace;
  readonly reason: string;
}

/** An element that a rule put into or took out of a set on the way. */
export interface SetChange {
  readonly table: Table;
  readonly set: string;
  readonly op: "add" | "update" | "delete";
  readonly key: readonly Loaded[];
}

/** A packet on its way, and how it came so far. */
export interface State {
  readonly packet: Packet;
  readonly trail: readonly Step[];
  readonly doubts: readonly Doubt[];
  readonly sets: readonly SetChange[];
}

export type Hook = "prerouting" | "input" | "forward" | "output" | "postrouting";

/** Where a rule is evaluated. */
export interface Context {
  readonly host: Host;
  readonly table: Table;
  readonly hook: Hook;
  /** Names of the interfaces that the hook knows. */
  readonly iif?: string;
  readonly oif?: string;
}

/** Two states that no later rule can tell apart. */
export function isSameState(a: State, b: State): boolean {
  return a === b || (a.sets === b.sets && isSame(a.packet, b.packet));
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  return (
    left.length === right.size && left.every(([name, value]) => isSame(value, right.get(name)))
  );
}

/** The same way with the doubts of both. */
export function mergeStates(a: State, b: State): State {
  return { ...a, doubts: [...new Set([...a.doubts, ...b.doubts])] };
}
