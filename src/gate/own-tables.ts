import { constants } from "node:os";
import { ownTables, type OwnTable, type TableOwnership } from "../wire/gate-protocol.ts";
import { errorWords, RefusedError, type Nftables } from "./libnftables.ts";
import {
  ownerFlag,
  persistFlag,
  printBatch,
  printGetTable,
  readAnswers,
  type NetlinkAnswer,
  type TableChange,
  type TableState,
} from "./netlink-message.ts";

const { ENOENT, EPERM, EOPNOTSUPP, EINVAL } = constants.errno;
const wanted = ownerFlag | persistFlag;

/** Another process owns a table of ours: there is a second gate. */
export class OwnedElsewhereError extends Error {
  override readonly name = "OwnedElsewhereError";
}

/** Owner and persist only ever together: a table that is owned but does not persist vanishes with its owner, without an event. */
export class OwnTables {
  readonly #nftables: Nftables;
  #sequence = 1;
  #state: readonly TableOwnership[] = [];

  constructor(nftables: Nftables) {
    this.#nftables = nftables;
  }

  /** As of the last {@link adopt}. */
  get state(): readonly TableOwnership[] {
    return this.#state;
  }

  owns(table: OwnTable): boolean {
    return this.#state.some(
      ({ family, name, owned }) => family === table.family && name === table.name && owned,
    );
  }

  /** Creates what is missing and takes what nobody owns, with all that is in it. Throws {@link OwnedElsewhereError}. */
  adopt(): void {
    this.#state = ownTables.map((table) => {
      const reason = this.#adoptTable(table);
      return { ...table, owned: reason === undefined, ...(reason === undefined ? {} : { reason }) };
    });
  }

  /** Deletes what is there of both tables. */
  remove(): void {
    const present = ownTables.filter((table) => this.#read(table) !== undefined);
    const errno = this.#change(present.map((table) => ({ kind: "delete", table })));
    if (errno !== 0) throw new RefusedError(`deleting our tables: ${errorWords(errno)}`);
    this.#state = ownTables.map((table) => ({
      ...table,
      owned: false,
      reason: "removed on request",
    }));
  }

  /** Why the table cannot be ours alone, or undefined if it is. */
  #adoptTable(table: OwnTable): string | undefined {
    const state = this.#read(table);
    const words = `table ${table.family} ${table.name}`;
    if (state !== undefined && (state.flags & ownerFlag) !== 0) {
      if (state.owner === this.#nftables.portId) return undefined;
      throw new OwnedElsewhereError(
        `${words} belongs to another process (netlink port ${state.owner})`,
      );
    }
    const put: TableChange = { kind: "put", table, flags: wanted };
    if (state === undefined || (state.flags & persistFlag) !== 0) {
      return explain(this.#change([put]), words);
    }
    // The kernel never lets a plain table become an owned one. An empty one can be replaced, since nothing is lost in between;
    // one with rules cannot, because nft 1.0.6 has no way to say it in the transaction that brings the rules back.
    if (state.use > 0) return `${words} was created without an owner; remove it, and apply again`;
    return explain(this.#change([{ kind: "delete", table }, put]), words);
  }

  #read(table: OwnTable): TableState | undefined {
    const sequence = this.#sequence++;
    const answer = this.#answers(printGetTable(table, sequence)).find(
      (each) => each.sequence === sequence,
    );
    if (answer?.kind === "table") return answer.state;
    if (answer?.kind === "error" && answer.errno === ENOENT) return undefined;
    const words = answer === undefined ? "no answer" : errorWords(answer.errno);
    throw new RefusedError(`asking the kernel for table ${table.family} ${table.name}: ${words}`);
  }

  /** The first error of the transaction, 0 if it was committed. */
  #change(changes: readonly TableChange[]): number {
    if (changes.length === 0) return 0;
    const first = this.#sequence;
    this.#sequence += changes.length + 2;
    const answers = this.#answers(printBatch(changes, first)).filter(
      (answer) => answer.kind === "error" && answer.sequence >= first,
    );
    const failed = answers.find((answer) => answer.kind === "error" && answer.errno !== 0);
    if (failed?.kind === "error") return failed.errno;
    if (answers.length < changes.length) throw new RefusedError("the kernel did not answer");
    return 0;
  }

  #answers(message: Uint8Array): readonly NetlinkAnswer[] {
    return [...this.#nftables.talk(message)].flatMap(readAnswers);
  }
}

function explain(errno: number, words: string): string | undefined {
  switch (errno) {
    case 0:
      return undefined;
    case EPERM:
      throw new OwnedElsewhereError(`${words} belongs to another process`);
    case EOPNOTSUPP:
    case EINVAL:
      return `this kernel knows no tables with owner and persist (Linux 6.9 has them)`;
    default:
      return `${words}: ${errorWords(errno)}`;
  }
}
