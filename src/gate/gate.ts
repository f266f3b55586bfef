import {
  gateProtocol,
  ownTables,
  type GateReply,
  type GateRequest,
  type GateStatus,
  type NumberedGateRequest,
} from "../wire/gate-protocol.ts";
import { RefusedError, type Nftables } from "./libnftables.ts";
import { OwnedElsewhereError, OwnTables } from "./own-tables.ts";

/** Answers requests, one at a time: everything here is synchronous, so no two transactions ever mix. */
export class Gate {
  readonly #nftables: Nftables;
  readonly #tables: OwnTables;
  readonly #version: string;

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
    };
  }

  answer(request: NumberedGateRequest): GateReply {
    try {
      this.#do(request);
      return { id: request.id, kind: "done", status: this.status };
    } catch (error) {
      if (!(error instanceof RefusedError || error instanceof OwnedElsewhereError)) throw error;
      return { id: request.id, kind: "refused", message: error.message };
    }
  }

  #do(request: GateRequest): void {
    switch (request.kind) {
      case "status":
        return;
      case "adopt":
        return this.#tables.adopt();
      case "remove":
        return this.#tables.remove();
      case "commit":
        return this.#commit(request.script);
      default:
        request satisfies never;
    }
  }

  #commit(script: string): void {
    this.#nftables.run(withoutOwnedTables(script, this.#tables));
  }
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
