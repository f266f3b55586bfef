import type { ElementCount, Table } from "../../nft/ast.ts";
import { readElementCounts, readTables } from "../../nft/read.ts";
import {
  KernelError,
  type ForeignTable,
  type Kernel,
  type KernelEvent,
  type Ownership,
} from "../../ports/kernel.ts";
import { ownTables, type GateStatus } from "../../wire/gate-protocol.ts";
import type { Flows } from "../../ports/flows.ts";
import type { GateClient } from "./gate-client.ts";
import { GateFlows } from "./gate-flows.ts";
import { listSets, listTable, withTrueFlags, type ListedObject, type Listing } from "./list.ts";
import { watchRuleset } from "./monitor.ts";
import { readForeign } from "./read-foreign.ts";
import { refusal, runNft } from "./run-nft.ts";

/** The kernel through nft for what is read, and through a gate, where there is one, for what is written. */
export class NftKernel implements Kernel {
  readonly #gate: GateClient | undefined;
  readonly #reason: string;
  /** Absent without a gate: nothing else here may ask the kernel for its connections. */
  readonly flows: Flows | undefined;

  /** A gate, or why there is none. */
  constructor(gate: GateClient | string) {
    this.#gate = typeof gate === "string" ? undefined : gate;
    this.#reason = typeof gate === "string" ? gate : "";
    this.flows = this.#gate && new GateFlows(this.#gate);
  }

  /** Lets go of the gate, which lives on if it is a lasting one. */
  close(): void {
    this.#gate?.close();
  }

  /** With a gate both tables are always there: it makes those that are missing, before anybody plans to. */
  async readTables(likely?: Promise<readonly Table[]>): Promise<readonly Table[]> {
    const [listings, known] = await Promise.all([listOwnTables(), likely]);
    const present = listings.flatMap((listing) => readTables(listing, known));
    if (this.#gate === undefined || listings.length === ownTables.length) return present;
    await this.#gate.ask({ kind: "adopt" });
    // What the gate has just made holds nothing: another listing would only let guests wait.
    return ownTables.map(
      (own) =>
        present.find((table) => table.family === own.family) ?? { ...own, sets: [], chains: [] },
    );
  }

  readForeign(): Promise<readonly ForeignTable[]> {
    return readForeign();
  }

  async commit(script: string): Promise<void> {
    if (this.#gate !== undefined) {
      await this.#gate.ask({ kind: "commit", script });
      return;
    }
    const result = await runNft(["-f", "-"], { input: script });
    if (result.status === 0) return;
    const words = refusal(result, "nft -f -").message.replaceAll("/dev/stdin:", "line ");
    throw new KernelError(words, { script });
  }

  async removeTables(): Promise<void> {
    if (this.#gate !== undefined) {
      await this.#gate.ask({ kind: "remove" });
      return;
    }
    const present: string[] = [];
    for (const table of ownTables) {
      if ((await listTable(table, { isTerse: true })) === undefined) continue;
      present.push(`delete table ${table.family} ${table.name}\n`);
    }
    if (present.length > 0) await this.commit(present.join(""));
  }

  async ownership(): Promise<Ownership> {
    return this.#gate === undefined
      ? { mode: "restore", reason: this.#reason }
      : ownershipOf(await this.#gate.ask({ kind: "adopt" }));
  }

  async readSeal(): Promise<string | undefined> {
    return (await this.#gate?.ask({ kind: "status" }))?.seal;
  }

  async seal(word: string): Promise<void> {
    // Beside another gate the tables were nobody's for a while; and for this alone none is to be started.
    if (this.#gate?.isConnected !== true) return;
    await this.#gate.ask({ kind: "commit", script: "", seal: word });
  }

  watch(listener: (event: KernelEvent) => void): () => void {
    return watchRuleset(listener);
  }

  async readSets(isWanted: (name: string) => boolean): Promise<readonly Table[]> {
    const { nftables } = await listOwnSets(({ name }) => isWanted(String(name)));
    return readTables({ nftables: [...ownTables.map((table) => ({ table })), ...nftables] });
  }

  async readCounters(): Promise<readonly ElementCount[]> {
    return readElementCounts(await listOwnSets(({ stmt }) => stmt !== undefined));
  }
}

function ownershipOf(status: GateStatus): Ownership {
  const reasons = new Set(
    status.tables.filter((table) => !table.owned).map((table) => table.reason ?? "not owned"),
  );
  return reasons.size === 0
    ? { mode: "owner" }
    : { mode: "restore", reason: [...reasons].join("; ") };
}

function listOwnSets(isWanted: (set: ListedObject[string]) => boolean): Promise<Listing> {
  return listSets(
    (set) =>
      ownTables.some(({ family, name }) => set["family"] === family && set["table"] === name) &&
      isWanted(set),
  );
}

async function listOwnTables(): Promise<readonly Listing[]> {
  const listings = await Promise.all(
    ownTables.map(async (table) => {
      const listing = await listTable(table, { isTerse: false });
      return listing && withTrueFlags(listing);
    }),
  );
  return listings.filter((listing) => listing !== undefined);
}
