import type { Problem } from "../model/problem.ts";
import type { DaemonStatus, StatusPart, StatusParts } from "./daemon-status.ts";
import { readHookCall, type HookCall, type HookResult } from "./hook-call.ts";

/**
 * Requests and replies on the daemon's socket, one JSON value a line. A reply bears the id of its request. `events` with `follow`
 * is answered by one reply for every event, until the client closes.
 */
export const daemonProtocol = 1;

export const defaultDaemonSocket = "/run/virtwall/virtwall.sock";

export type DaemonRequest =
  | { readonly request: "status" }
  /** Of the status what is named. */
  | { readonly request: "parts"; readonly parts: readonly StatusPart[] }
  /** Reads everything again and converges; answered when that is done or has failed. */
  | { readonly request: "reload" }
  | { readonly request: "events"; readonly follow: boolean }
  /** Until the client closes, for half a minute at most, networks, guests and links count as they were last. */
  | { readonly request: "hold" }
  /** libvirt called a hook and waits: answered when the kernel holds what follows, or when that takes too long. */
  | { readonly request: "hook"; readonly call: HookCall };

/** What changes nothing, and is for the group of readers too. */
const isRead: Readonly<Record<DaemonRequest["request"], boolean>> = {
  status: true,
  parts: true,
  events: true,
  reload: false,
  hold: false,
  hook: false,
};

export function isReading({ request }: DaemonRequest): boolean {
  return isRead[request];
}

export type NumberedDaemonRequest = DaemonRequest & {
  readonly version: number;
  readonly id: number;
};

export type DaemonReply = { readonly version: number; readonly id: number } & (
  | { readonly kind: "status"; readonly status: DaemonStatus }
  | { readonly kind: "parts"; readonly parts: Partial<StatusParts> }
  | { readonly kind: "reload"; readonly result: ReloadResult }
  /** What happened so far, oldest first. */
  | { readonly kind: "events"; readonly events: readonly DaemonEvent[] }
  /** One more, to a client that follows. */
  | { readonly kind: "event"; readonly event: DaemonEvent }
  | { readonly kind: "hook"; readonly result: HookResult }
  | { readonly kind: "held" }
  /** The request was not understood. */
  | { readonly kind: "refused"; readonly message: string }
);

export interface ReloadResult {
  /** `converged`: the kernel holds what is written. `last-good`: what is written has errors. `failed`: see `error`. */
  readonly state: "converged" | "last-good" | "failed";
  /** What was changed in the kernel, in words. */
  readonly changes: readonly string[];
  readonly problems: readonly Problem[];
  readonly error?: string;
}

/** A line of the daemon's journal. */
export interface DaemonEvent {
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly level: "info" | "warning" | "error";
  /** Stable: `applied`, `restored`, `policy-refused`, `source-failed`. */
  readonly event: string;
  readonly message: string;
}

/** Undefined for anything that is not a request of this protocol. */
export function readDaemonRequest(value: unknown): NumberedDaemonRequest | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { version, id, request, follow, parts } = value as Partial<Record<string, unknown>>;
  if (version !== daemonProtocol || typeof id !== "number") return undefined;
  switch (request) {
    case "status":
    case "reload":
    case "hold":
      return { version, id, request };
    case "parts":
      return isParts(parts) ? { version, id, request, parts } : undefined;
    case "events":
      return { version, id, request, follow: follow === true };
    case "hook": {
      const call = readHookCall(value);
      return call && { version, id, request, call };
    }
    default:
      return undefined;
  }
}

const statusParts = {
  daemon: true,
  protection: true,
  gate: true,
  policy: true,
  errors: true,
  networks: true,
  guests: true,
  publications: true,
  published: true,
  integration: true,
  gaps: true,
} as const satisfies Record<StatusPart, true>;

function isParts(value: unknown): value is readonly StatusPart[] {
  return Array.isArray(value) && value.every((name) => Object.hasOwn(statusParts, String(name)));
}

/** Undefined for anything that is not a reply of this protocol. The daemon is trusted for what is inside. */
export function readDaemonReply(value: unknown): DaemonReply | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { version, id, kind } = value as Partial<Record<string, unknown>>;
  return version === daemonProtocol && typeof id === "number" && typeof kind === "string"
    ? (value as DaemonReply)
    : undefined;
}
