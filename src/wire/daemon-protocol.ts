import type { Problem } from "../model/problem.ts";
import type { SourceText } from "../model/source-text.ts";
import type { PublicationState } from "../model/state.ts";
import type { DaemonStatus, StatusPart, StatusParts } from "./daemon-status.ts";
import { readExplainCall, type ExplainCall, type ExplainResult } from "./explain-call.ts";
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
  | ReloadRequest
  /** What would be wrong if the text stood in place of a policy file, or beside them. Nothing is changed. */
  | { readonly request: "examine"; readonly text: SourceText; readonly guest: string }
  | { readonly request: "events"; readonly follow: boolean }
  /** What `virtwall explain` tells root. */
  | { readonly request: "explain"; readonly call: ExplainCall }
  /** Until the client closes, for half a minute at most, networks, guests and links count as they were last. */
  | { readonly request: "hold" }
  /** libvirt called a hook and waits: answered when the kernel holds what follows, or when that takes too long. */
  | { readonly request: "hook"; readonly call: HookCall };

/** What changes nothing, and is for the group of readers too. */
const isRead: Readonly<Record<DaemonRequest["request"], boolean>> = {
  status: true,
  parts: true,
  events: true,
  explain: true,
  examine: false,
  reload: false,
  hold: false,
  hook: false,
};

export function isReading({ request }: DaemonRequest): boolean {
  return isRead[request];
}

/** Reads everything again and converges; answered when that is done or has failed. */
export interface ReloadRequest {
  readonly request: "reload";
  /** Nothing else has changed that no event tells of: neither libvirt is asked for every guest again, nor the kernel for every rule. */
  readonly only?: "policy";
  /** Whose publications the reply is to tell. */
  readonly guest?: string;
}

/** Until the client closes. */
export function isLasting(request: DaemonRequest): boolean {
  return request.request === "hold" || (request.request === "events" && request.follow);
}

export type NumberedDaemonRequest = DaemonRequest & {
  readonly version: number;
  readonly id: number;
};

export type DaemonReply = { readonly version: number; readonly id: number } & (
  | { readonly kind: "status"; readonly status: DaemonStatus }
  | { readonly kind: "parts"; readonly parts: Partial<StatusParts> }
  | {
      readonly kind: "reload";
      readonly result: ReloadResult;
      readonly policyFiles: readonly string[];
      readonly publications: readonly PublicationState[];
    }
  /** Null where nothing was decided yet. */
  | { readonly kind: "examined"; readonly examined: Examined | null }
  /** What happened so far, oldest first. */
  | { readonly kind: "events"; readonly events: readonly DaemonEvent[] }
  /** One more, to a client that follows. */
  | { readonly kind: "event"; readonly event: DaemonEvent }
  | { readonly kind: "explained"; readonly result: ExplainResult }
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

export interface Examined {
  readonly problems: readonly Problem[];
  /** What is wrong with what is written now. */
  readonly before: readonly Problem[];
  /** What is in force of the guest's. */
  readonly publications: readonly PublicationState[];
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
  const { version, id, request, ...more } = value as Partial<Record<string, unknown>>;
  if (version !== daemonProtocol || typeof id !== "number") return undefined;
  switch (request) {
    case "status":
    case "hold":
      return { version, id, request };
    case "reload":
      return { version, id, ...readReload(more) };
    case "examine":
      return readExamine(version, id, more);
    case "parts": {
      const parts = readParts(more["parts"]);
      return parts && { version, id, request, parts };
    }
    case "events":
      return { version, id, request, follow: more["follow"] === true };
    case "explain":
      return readExplain(version, id, more);
    case "hook": {
      const call = readHookCall(value);
      return call && { version, id, request, call };
    }
    default:
      return undefined;
  }
}

function readReload({ only, guest }: Partial<Record<string, unknown>>): ReloadRequest {
  return {
    request: "reload",
    ...(only === "policy" && { only }),
    ...(typeof guest === "string" && { guest }),
  };
}

function readExamine(
  version: number,
  id: number,
  { text, guest }: Partial<Record<string, unknown>>,
): NumberedDaemonRequest | undefined {
  const isWhole = isText(text) && typeof guest === "string";
  return isWhole ? { version, id, request: "examine", text, guest } : undefined;
}

function readExplain(
  version: number,
  id: number,
  { call: given }: Partial<Record<string, unknown>>,
): NumberedDaemonRequest | undefined {
  const call = readExplainCall(given);
  return call && { version, id, request: "explain", call };
}

function isText(value: unknown): value is SourceText {
  if (typeof value !== "object" || value === null) return false;
  const { file, text } = value as Partial<Record<string, unknown>>;
  return typeof file === "string" && typeof text === "string";
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

/** Each once, however often it is named: what is asked of the kernel for one costs programs. */
function readParts(value: unknown): readonly StatusPart[] | undefined {
  return Array.isArray(value) && value.every(isPart) ? [...new Set(value)] : undefined;
}

function isPart(name: unknown): name is StatusPart {
  return typeof name === "string" && Object.hasOwn(statusParts, name);
}

/** Undefined for anything that is not a reply of this protocol. The daemon is trusted for what is inside. */
export function readDaemonReply(value: unknown): DaemonReply | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { version, id, kind } = value as Partial<Record<string, unknown>>;
  return version === daemonProtocol && typeof id === "number" && typeof kind === "string"
    ? (value as DaemonReply)
    : undefined;
}
