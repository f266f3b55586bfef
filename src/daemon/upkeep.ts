import { KernelError, type Kernel, type Ownership } from "../ports/kernel.ts";
import type { Xtables } from "../ports/xtables.ts";
import type { Desired } from "../reconcile/decide.ts";
import { PassRuleKeeper } from "../reconcile/pass-rules-keeper.ts";
import type { PassRuleReport } from "../reconcile/pass-rules.ts";
import { planTables } from "../reconcile/plan-tables.ts";
import { GapMeter } from "./gap-meter.ts";
import type { Journal } from "./journal.ts";

export interface UpkeepPorts {
  readonly kernel: Kernel;
  readonly xtables: Xtables;
  readonly journal: Journal;
}

/** A change by another process: when the kernel told of it, on the clock of `performance.now`. */
export interface Disturbance {
  readonly at: number;
  readonly by?: string;
}

/** Holds the kernel to what is desired, and measures how long something of ours was missing. */
export class Upkeep {
  readonly #ports: UpkeepPorts;
  readonly #keeper: PassRuleKeeper;
  readonly gaps = { tables: new GapMeter(), passRules: new GapMeter() };
  #ownership: Ownership | undefined;
  #passRules: readonly PassRuleReport[] = [];

  constructor(ports: UpkeepPorts) {
    this.#ports = ports;
    this.#keeper = new PassRuleKeeper(ports);
  }

  /** Undefined until the gate has answered. */
  get ownership(): Ownership | undefined {
    return this.#ownership;
  }

  get passRules(): readonly PassRuleReport[] {
    return this.#passRules;
  }

  /** Answers what was changed. With a disturbance, what differs is what another process did. */
  async holdTables(desired: Desired, disturbance?: Disturbance): Promise<readonly string[]> {
    const { kernel, journal } = this.#ports;
    const plan = planTables(await kernel.readTables(), desired.compiled.tables);
    if (plan.script === "") return [];
    await kernel.commit(plan.script);
    const what = summaryOf(plan.changes);
    if (disturbance) {
      const took = performance.now() - disturbance.at;
      this.gaps.tables.add(took);
      const who = disturbance.by === undefined ? "" : ` taken away by ${disturbance.by}`;
      journal.add("warning", "restored", `restored in ${took.toFixed(1)} ms${who}: ${what}`);
    } else {
      journal.add("info", "applied", what);
    }
    return plan.changes;
  }

  /** Throws {@link KernelError} where something could not be read or put; the rest is put all the same. */
  async holdPassRules(desired: Desired, disturbance?: Disturbance): Promise<void> {
    const { mark, integration } = desired.policy.host;
    const outcome = await this.#keeper.keep({ mark, integration });
    this.#passRules = outcome.report;
    if (outcome.isChanged) {
      const passed = outcome.report.filter((line) => line.state === "passed");
      const where = passed.map((line) => `${line.family} ${line.table} ${line.chain}`).join(", ");
      if (disturbance) this.gaps.passRules.add(performance.now() - disturbance.at);
      const took = disturbance ? ` in ${(performance.now() - disturbance.at).toFixed(1)} ms` : "";
      this.#ports.journal.add("info", "pass-rules-put", `guest traffic passes${took}: ${where}`);
    }
    if (outcome.failures.length > 0) throw new KernelError(outcome.failures.join("; "));
  }

  async holdOwnership(): Promise<void> {
    const before = JSON.stringify(this.#ownership);
    this.#ownership = await this.#ports.kernel.ownership();
    if (JSON.stringify(this.#ownership) === before) return;
    const { journal } = this.#ports;
    if (this.#ownership.mode === "owner") {
      journal.add("info", "owner-mode", "no other program can change or flush our tables");
    } else {
      const { reason } = this.#ownership;
      journal.add("warning", "restore-mode", `what others take away is put back: ${reason}`);
    }
  }
}

function summaryOf(changes: readonly string[]): string {
  const shown = changes.slice(0, 5).join("; ");
  return changes.length > 5 ? `${shown}; and ${changes.length - 5} more` : shown;
}
