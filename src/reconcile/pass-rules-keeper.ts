import { KernelError, type ForeignTable, type Kernel } from "../ports/kernel.ts";
import type { Firewalld } from "../ports/firewalld.ts";
import { XtablesError, type Xtables, type XtablesChain } from "../ports/xtables.ts";
import { FirewalldKeeper, type FirewalldWish } from "./firewalld-keeper.ts";
import {
  looksLikeXtables,
  planPassRuleRemoval,
  planPassRules,
  tableKey,
  type PassRuleInput,
  type PassRulePlan,
  type PassRuleReport,
} from "./pass-rules.ts";

export interface PassRuleOutcome {
  /** As it is after the run: what was put shows as `passed`. */
  readonly report: readonly PassRuleReport[];
  /** Something was written. */
  readonly isChanged: boolean;
  /** firewalld was told something. */
  readonly isFirewalldTold: boolean;
  /** Refusals and failed listings, in the machine's words. The next run tries again. */
  readonly failures: readonly string[];
}

export interface PassRuleSettings extends Pick<PassRuleInput, "mark" | "integration"> {
  readonly bridges: FirewalldWish["bridges"];
}

/**
 * Holds the foreign tables to the pass rules, and firewalld to its zones. It remembers which tables belong to another process, so that their refusal costs
 * one attempt for each change of such a table and not one an event. Runs must not overlap.
 */
export class PassRuleKeeper {
  private readonly kernel: Pick<Kernel, "readForeign" | "commit">;
  private readonly xtables: Xtables;
  private readonly firewalld: FirewalldKeeper;
  /** As they were listed when the kernel refused them to us. */
  private readonly owned = new Map<string, string>();
  /** Our rules were taken away, and none was put since. */
  private isRemoved = false;

  constructor(machine: {
    readonly kernel: Pick<Kernel, "readForeign" | "commit">;
    readonly xtables: Xtables;
    readonly firewalld: Firewalld;
  }) {
    this.kernel = machine.kernel;
    this.xtables = machine.xtables;
    this.firewalld = new FirewalldKeeper(machine.firewalld);
  }

  /**
   * Throws {@link KernelError} only where the foreign tables cannot be listed. With `off` it takes away what an earlier setting has
   * put, this process or one before, and does not look again.
   */
  async keep({ bridges, ...settings }: PassRuleSettings): Promise<PassRuleOutcome> {
    const { integration } = settings;
    if (integration === "off") return { report: [], ...(await this.takeAway()) };
    this.isRemoved = false;
    const failures: string[] = [];
    const foreign = await this.kernel.readForeign();
    this.forgetOwned(foreign);
    // Asking iptables takes tens of milliseconds in which a reloaded firewall would drop; only what may be its own waits for that.
    const native = foreign.filter((table) => !looksLikeXtables(table));
    const shaped = foreign.filter(looksLikeXtables);
    const put = new Set<string>();
    const hold = async (tables: readonly ForeignTable[], xtables: PassRuleInput["xtables"]) => {
      const plan = planPassRules({ ...settings, foreign: tables, xtables, owned: this.owned });
      for (const key of await this.commit(plan, foreign, failures)) put.add(key);
    };
    await hold(native, []);
    const chains = await this.readXtables(shaped.length > 0 ? "read" : "readLegacy", failures);
    await hold(shaped, chains);
    const whole = planPassRules({ ...settings, foreign, xtables: chains, owned: this.owned });
    const isXtablesPut = await this.putXtables(whole.xtables, settings.mark, failures);
    const report = whole.report.map((line) =>
      line.state === "needed" && (line.by === "nft" ? put.has(tableKeyOf(line)) : isXtablesPut)
        ? { ...line, state: "passed" as const }
        : line,
    );
    const firewalld = await this.firewalld.keep({ bridges, integration });
    return {
      report: [...withFirewalld(report, firewalld.report), ...firewalld.report],
      isChanged: put.size > 0 || isXtablesPut,
      isFirewalldTold: firewalld.isChanged,
      failures: [...failures, ...firewalld.failures],
    };
  }

  /** Takes every pass rule away again. The answer tells what could not be removed; empty: all are gone. */
  async remove(): Promise<readonly string[]> {
    return (await this.removeAll()).failures;
  }

  private async takeAway(): Promise<Omit<PassRuleOutcome, "report">> {
    if (this.isRemoved) return { isChanged: false, isFirewalldTold: false, failures: [] };
    const outcome = await this.removeAll();
    this.isRemoved = outcome.failures.length === 0;
    return outcome;
  }

  private async removeAll(): Promise<Omit<PassRuleOutcome, "report">> {
    const failures: string[] = [];
    const foreign = await this.kernel.readForeign();
    const chains = (await this.readXtables("read", failures)) ?? [];
    const native = await this.commit(planPassRuleRemoval(foreign, chains), foreign, failures);
    let removed = 0;
    try {
      removed = await this.xtables.removePassRules();
    } catch (error) {
      failures.push(refusalOf(error));
    }
    const firewalld = await this.firewalld.remove();
    failures.push(...firewalld.failures);
    const isChanged = native.size + removed > 0;
    return { isChanged, isFirewalldTold: firewalld.isChanged, failures };
  }

  private async readXtables(
    by: "read" | "readLegacy",
    failures: string[],
  ): Promise<readonly XtablesChain[] | undefined> {
    try {
      return await this.xtables[by]();
    } catch (error) {
      failures.push(refusalOf(error));
      return undefined;
    }
  }

  /** The keys of the tables that were changed. */
  private async commit(
    plan: Pick<PassRulePlan, "nftScript" | "tables">,
    foreign: readonly ForeignTable[],
    failures: string[],
  ): Promise<ReadonlySet<string>> {
    const changed = new Set<string>();
    if (plan.nftScript === "") return changed;
    if (plan.tables.length > 1 && (await this.tryCommit(plan.nftScript)) === undefined) {
      return new Set(plan.tables.map(tableKey));
    }
    // One table refused: the others get theirs all the same.
    for (const table of plan.tables) {
      const refusal = await this.tryCommit(table.script);
      const key = tableKey(table);
      if (refusal === undefined) changed.add(key);
      else if (isOwnedByOther(refusal)) this.owned.set(key, listingOf(foreign, key));
      else failures.push(`${key}: ${refusal.message}`);
    }
    return changed;
  }

  private async tryCommit(script: string): Promise<KernelError | undefined> {
    try {
      await this.kernel.commit(script);
      return undefined;
    } catch (error) {
      if (error instanceof KernelError) return error;
      throw error;
    }
  }

  private async putXtables(
    chains: readonly XtablesChain[],
    mark: number,
    failures: string[],
  ): Promise<boolean> {
    if (chains.length === 0) return false;
    try {
      await this.xtables.putPassRules(chains, mark);
      return true;
    } catch (error) {
      failures.push(refusalOf(error));
      return false;
    }
  }

  /** What has changed may have been given up, or deleted and made anew between two looks. */
  private forgetOwned(foreign: readonly ForeignTable[]): void {
    for (const [key, then] of this.owned) {
      if (listingOf(foreign, key) !== then) this.owned.delete(key);
    }
  }
}

function listingOf(foreign: readonly ForeignTable[], key: string): string {
  return JSON.stringify(foreign.find((table) => tableKey(table) === key) ?? "");
}

/** firewalld's own table, which it may own: its zones let pass what no rule of ours can. */
function withFirewalld(
  report: readonly PassRuleReport[],
  zones: readonly PassRuleReport[],
): readonly PassRuleReport[] {
  if (zones.length === 0 || zones.some(({ state }) => state !== "passed")) return report;
  return report.map((line) =>
    line.state === "owned" && line.table === "firewalld"
      ? { ...line, state: "passed", reason: "through firewalld's own policies" }
      : line,
  );
}

function tableKeyOf(line: PassRuleReport): string {
  return tableKey({ family: line.family, name: line.table });
}

function refusalOf(error: unknown): string {
  if (error instanceof XtablesError) return error.message;
  throw error;
}

/** The kernel answers EPERM for a table that another socket owns (nf_tables_api.c, nft_table_lookup), and to everybody who is not root. */
function isOwnedByOther(error: KernelError): boolean {
  return (
    error.message.includes("Operation not permitted") && !error.message.includes("must be root")
  );
}
