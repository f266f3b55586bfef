import { parseAddress, type Address } from "../base/address.ts";
import type { Flow } from "../model/flow.ts";

/**
 * Requests and replies on the gate's socket, one JSON value a line. The gate answers in the order of the requests; a reply bears
 * the id of its request. Both sides are one program of one version in the normal case; {@link gateProtocol} tells them apart while
 * an old gate outlives an upgrade of the daemon.
 */
export const gateProtocol = 1;

export const defaultGateSocket = "/run/virtwall/gate.sock";

/** What the gate tells of a connection. */
export type GateFlow = Flow;

/** The tables that the gate creates and owns, and the only ones that are ours. */
export const ownTables = [
  { family: "inet", name: "virtwall" },
  { family: "bridge", name: "virtwall" },
] as const;

export type OwnTable = (typeof ownTables)[number];

export type GateRequest =
  | GateControl
  /** Tracked connections that have one of the addresses at an end. */
  | { readonly kind: "flows"; readonly addresses: readonly Address[] }
  /** Deletes tracked connections, by {@link GateFlow}'s key. Those that are gone already are no fault. */
  | { readonly kind: "cut"; readonly keys: readonly string[] };

/** What concerns the tables. */
export type GateControl =
  /** What the gate is and what it owns, as of the moment it last adopted. */
  | { readonly kind: "status" }
  /** Creates own tables that are missing and takes those that nobody owns. */
  | { readonly kind: "adopt" }
  /**
   * One transaction. Lines that do nothing but add an own table are left out, because the gate has made that
   * table already, with flags that nft 1.0.6 cannot say. `seal` is a word for what the tables hold after it: {@link GateStatus} tells it
   * to whoever asks, until anything else is committed. To seal what is there, the script is empty. No seal is taken on a connection
   * beside which another one has changed the tables: whoever uses it may not know what they hold.
   */
  | { readonly kind: "commit"; readonly script: string; readonly seal?: string }
  /** Deletes both own tables in one transaction. */
  | { readonly kind: "remove" };

export type GateReply =
  | { readonly id: number; readonly kind: "done"; readonly status: GateStatus }
  | {
      readonly id: number;
      readonly kind: "flows";
      readonly flows: readonly GateFlow[];
      /** No: more of them follow under the same id. */
      readonly isLast: boolean;
    }
  /** How many of the connections were still there. */
  | { readonly id: number; readonly kind: "cut"; readonly count: number }
  /** Nothing was changed. `message` holds the kernel's or nft's words. */
  | { readonly id: number; readonly kind: "refused"; readonly message: string };

export interface GateStatus {
  readonly protocol: number;
  readonly version: string;
  readonly pid: number;
  readonly tables: readonly TableOwnership[];
  /** Of the last commit, where it had one and both tables are owned since: nobody has changed them after it. */
  readonly seal?: string;
}

export interface TableOwnership {
  readonly family: OwnTable["family"];
  readonly name: string;
  readonly owned: boolean;
  /** Why it is not owned. */
  readonly reason?: string;
}

export type NumberedGateRequest = GateRequest & { readonly id: number };

/** Undefined for anything that is not a request. */
export function readGateRequest(value: unknown): NumberedGateRequest | undefined {
  if (!isObject(value)) return undefined;
  const { id, kind, addresses, keys, ...rest } = value as Partial<Record<string, unknown>>;
  if (typeof id !== "number") return undefined;
  switch (kind) {
    case "status":
    case "adopt":
    case "remove":
      return { id, kind };
    case "commit":
      return readCommit(id, rest);
    case "flows":
      return isAddresses(addresses) ? { id, kind, addresses } : undefined;
    case "cut":
      return isTexts(keys) ? { id, kind, keys } : undefined;
    default:
      return undefined;
  }
}

/** Undefined for anything that is not a reply of this protocol. */
export function readGateReply(value: unknown): GateReply | undefined {
  if (!isObject(value)) return undefined;
  const { id, kind, message, status, ...rest } = value as Partial<Record<string, unknown>>;
  if (typeof id !== "number") return undefined;
  if (kind === "refused" && typeof message === "string") return { id, kind, message };
  if (kind === "done" && isGateStatus(status)) return { id, kind, status };
  return readFlowReply(id, kind, rest);
}

function readFlowReply(
  id: number,
  kind: unknown,
  { flows, isLast, count }: Partial<Record<string, unknown>>,
): GateReply | undefined {
  if (kind === "cut" && typeof count === "number") return { id, kind, count };
  if (kind !== "flows" || typeof isLast !== "boolean") return undefined;
  return Array.isArray(flows) && flows.every(isObject)
    ? { id, kind, flows: flows as unknown as readonly GateFlow[], isLast }
    : undefined;
}

function readCommit(
  id: number,
  { script, seal }: Partial<Record<string, unknown>>,
): NumberedGateRequest | undefined {
  if (typeof script !== "string") return undefined;
  if (seal === undefined) return { id, kind: "commit", script };
  return typeof seal === "string" ? { id, kind: "commit", script, seal } : undefined;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function isAddresses(value: unknown): value is readonly Address[] {
  return isTexts(value) && value.every((text) => parseAddress(text) === text);
}

function isGateStatus(value: unknown): value is GateStatus {
  if (!isObject(value)) return false;
  const { protocol, version, pid, tables, seal } = value as Partial<Record<string, unknown>>;
  return (
    protocol === gateProtocol &&
    typeof version === "string" &&
    typeof pid === "number" &&
    Array.isArray(tables) &&
    tables.every(isObject) &&
    (seal === undefined || typeof seal === "string")
  );
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
