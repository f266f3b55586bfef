import {
  gateProtocol,
  ownTables,
  type GateControl,
  type GateFlow,
  type GateReply,
  type GateStatus,
  type NumberedGateRequest,
} from "../wire/gate-protocol.ts";
import { deleteFlows, listFlows } from "./flows.ts";
import { RefusedError, type Nftables } from "./libnftables.ts";
import { OwnedElsewhereError, OwnTables } from "./own-tables.ts";

/** Who asks: one stream of requests. */
interface GateVisitor {
  /** How many changes of the tables it knows of: falls behind for good with the first that another visitor makes. */
  seen: number;
}

/** Answers requests, one at a time: everything here is synchronous, so no two transactions ever mix. */
export class Gate {
  readonly #nftables: Nftables;
  readonly #tables: OwnTables;
  readonly #version: string;
  #seal: string | undefined;
  #changes = 0;

  /** Adopts at once. Throws {@link OwnedElsewhereError} when another gate lives. */
  constructor(nftables: Nftables, version: string) {
    this.#nftables = nftables;
    this.#tables = new OwnTables(nftables);
    this.#version = version;
    this.#tables.adopt();
  }

  get status(): GateStatus {
    return {
      protocol: gateProtocol,
      version: this.#version,
      pid: process.pid,
      tables: this.#tables.state,
      ...(this.#seal !== undefined && { seal: this.#seal }),
    };
  }

  /** What was changed before it came it can look at. */
  newVisitor(): GateVisitor {
    return { seen: this.#changes };
  }

  /** One reply, or for a long list several of which each but the last says that more follows. */
  *answer(request: NumberedGateRequest, visitor: GateVisitor): Generator<GateReply> {
    const { id } = request;
    try {
      switch (request.kind) {
        case "flows":
          return yield* flowReplies(id, listFlows(this.#nftables, request.addresses));
        case "cut":
          return yield { id, kind: "cut", count: deleteFlows(this.#nftables, request.keys) };
        default:
          this.#do(request, visitor);
          yield { id, kind: "done", status: this.status };
      }
    } catch (error) {
      if (!(error instanceof RefusedError || error instanceof OwnedElsewhereError)) throw error;
      yield { id, kind: "refused", message: error.message };
    }
  }

  #do(request: GateControl, visitor: GateVisitor): void {
    switch (request.kind) {
      case "status":
        return;
      case "adopt":
        return this.#tables.adopt();
      case "remove":
        return this.#change(visitor, () => this.#tables.remove());
      case "commit":
        return this.#commit(request, visitor);
      default:
        request satisfies never;
    }
  }

  #commit({ script, seal }: Extract<GateControl, { kind: "commit" }>, visitor: GateVisitor): void {
    const run = (): void => this.#nftables.run(withoutOwnedTables(script, this.#tables));
    if (script !== "") this.#change(visitor, run);
    if (seal === undefined || visitor.seen !== this.#changes) return;
    if (ownTables.every((table) => this.#tables.owns(table))) this.#seal = seal;
  }

  /** What was refused counts too: that nothing came of it is the kernel's word alone. */
  #change(visitor: GateVisitor, change: () => void): void {
    this.#seal = undefined;
    const knewAll = visitor.seen === this.#changes++;
    if (knewAll) visitor.seen = this.#changes;
    change();
  }
}

/** A host may track a million connections: in one frame they would be too long. */
function* flowReplies(id: number, flows: readonly GateFlow[]): Generator<GateReply> {
  const most = 20_000;
  let first = 0;
  for (; first + most < flows.length; first += most) {
    yield { id, kind: "flows", flows: flows.slice(first, first + most), isLast: false };
  }
  yield { id, kind: "flows", flows: flows.slice(first), isLast: true };
}

/**
 * An owned table must not be added again: without its flags the kernel says EOPNOTSUPP, and nft 1.0.6 cannot say them. Lines stay
 * where they are, so that an error names the line of the caller's script.
 */
function withoutOwnedTables(script: string, tables: OwnTables): string {
  return ownTables
    .filter((table) => tables.owns(table))
    .reduce(
      (text, { family, name }) =>
        text.replace(new RegExp(`^(add |create )?table ${family} ${name};?$`, "gm"), ""),
      script,
    );
}
