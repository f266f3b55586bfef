import { setTimeout as delay } from "node:timers/promises";
import { defined } from "../base/defined.ts";
import type { Flows } from "../ports/flows.ts";
import type { Firewalld } from "../ports/firewalld.ts";
import { KernelError, type Kernel, type Ownership } from "../ports/kernel.ts";
import type { Links } from "../ports/links.ts";
import type { Xtables } from "../ports/xtables.ts";
import { cutFlows, formerOf, planCut, type Former } from "../reconcile/cut-flows.ts";
import type { Desired } from "../reconcile/decide.ts";
import { judgedBridges } from "../reconcile/judged-bridges.ts";
import { LearnedMemory } from "../reconcile/learned-memory.ts";
import { PassRuleKeeper, type PassRuleSettings } from "../reconcile/pass-rules-keeper.ts";
import type { PassRuleReport } from "../reconcile/pass-rules.ts";
import { planHairpin, planLinks } from "../reconcile/plan-links.ts";
import { planTables } from "../reconcile/plan-tables.ts";
import type { Contest } from "../wire/daemon-status.ts";
import { Churn } from "./churn.ts";
import { GapMeter } from "./gap-meter.ts";
import type { Journal } from "./journal.ts";
import { Seal } from "./seal.ts";

export interface UpkeepPorts {
  readonly kernel: Kernel;
  /** Absent where nobody may ask the kernel for its connections. */
  readonly flows?: Flows | undefined;
  readonly xtables: Xtables;
  readonly firewalld: Firewalld;
  readonly links: Links;
  readonly journal: Journal;
}

/** A change by another process: when the kernel told of it, on the clock of `performance.now`. */
export interface Disturbance {
  readonly at: number;
  readonly by?: string;
}

type Tables = Desired["compiled"]["tables"];

/** Why the kernel is looked at. */
export interface Cause {
  /** Something else is desired than before. */
  readonly isNew: boolean;
  readonly disturbance?: Disturbance | undefined;
  /** Nobody else can have changed our tables since we wrote them: what we wrote is what the kernel holds. */
  readonly mayTrust?: boolean;
  /** What the kernel holds, where it was asked already. */
  readonly listing?: Promise<Tables> | undefined;
}

/** Holds the kernel to what is desired, and measures how long something of ours was missing. */
export class Upkeep {
  readonly #ports: UpkeepPorts;
  readonly #keeper: PassRuleKeeper;
  readonly gaps = { tables: new GapMeter(), passRules: new GapMeter() };
  readonly #churn = new Churn();
  /** Who changed foreign tables last. */
  #disturber: string | undefined;
  #isContestTold = false;
  /** When the kernel last took pass rules: the keeper goes on to ask iptables after that. */
  #passedAt: number | undefined;
  /** What the last transaction left in the kernel; undefined after a failure. */
  #written: Tables | undefined;
  readonly #seal: Seal;
  #sealTimer: NodeJS.Timeout | undefined;
  #isTrusting = false;
  readonly #learned = new LearnedMemory();
  /** What was admitted when flows were cut last; undefined before the kernel was read. */
  #former: Former | undefined;
  #isOwner = false;
  #ownership: Ownership | undefined;
  #passRules: readonly PassRuleReport[] = [];
  /** Taps of which was told that they are left alone. */
  #toldTaps: ReadonlySet<string> = new Set();

  constructor(ports: UpkeepPorts) {
    this.#ports = ports;
    const { kernel, xtables, firewalld } = ports;
    this.#seal = new Seal(kernel);
    this.#keeper = new PassRuleKeeper({
      xtables,
      firewalld,
      kernel: {
        readForeign: () => kernel.readForeign(),
        commit: async (script) => {
          await kernel.commit(script);
          this.#passedAt = performance.now();
          this.#sealLater();
        },
      },
    });
  }

  /** Nobody but our gate can change our tables. */
  get isOwner(): boolean {
    return this.#isOwner;
  }

  /** Undefined until the gate has answered. */
  get ownership(): Ownership | undefined {
    return this.#ownership;
  }

  get passRules(): readonly PassRuleReport[] {
    return this.#passRules;
  }

  /** How long to wait before foreign tables are looked at again. */
  get lookDelayMs(): number {
    return this.#churn.delayMs;
  }

  /** Somebody takes away what we put, again and again. */
  get contest(): Contest | undefined {
    const times = this.#churn.contestedTimes;
    return times === undefined ? undefined : { times, ...defined({ by: this.#disturber }) };
  }

  /** Before the first listing, which may be spared then. */
  lookForSeal(): Promise<void> {
    return this.#seal.look();
  }

  /** Our tables were taken to be as the process before has left them: see {@link isAsTrusted}. */
  get isTrusting(): boolean {
    return this.#isTrusting;
  }

  /** Whether the kernel holds what was written, or was taken for it; no where that cannot be seen. It takes a listing, beside which rounds go on. */
  async isAsTrusted(): Promise<boolean> {
    for (let quietMs = firstQuietMs; quietMs <= lastQuietMs; quietMs *= 2) {
      const written = this.#written;
      await delay(quietMs, undefined, { ref: false });
      // What is written meanwhile may be in the listing or not.
      if (written === undefined || written !== this.#written) continue;
      const listed = await this.#listAgain(written);
      if (listed && written === this.#written) return planTables(listed, written).script === "";
    }
    return false;
  }

  #listAgain(tables: Tables): Promise<Tables | undefined> {
    return this.#ports.kernel.readTables(Promise.resolve(tables)).catch(() => undefined);
  }

  /** What the kernel holds: the likely tables themselves where the process before has left them, and nobody has changed them since. */
  async listTables(likely: Promise<Tables>): Promise<Tables> {
    if (this.#seal.isThere) {
      const tables = await likely;
      // Nothing is desired yet, so nobody needs to know.
      if (tables.length === 0) return tables;
      this.#isTrusting = await this.#seal.open(tables);
      if (this.#isTrusting) return tables;
    }
    this.#isTrusting = false;
    return this.#ports.kernel.readTables(likely);
  }

  /** For the process after this one. */
  async seal(): Promise<void> {
    clearTimeout(this.#sealTimer);
    this.#sealTimer = undefined;
    if (this.#isOwner && this.#written) await this.#seal.put(this.#written);
  }

  /** After any commit. It costs more than a change of one guest. */
  #sealLater(): void {
    // Who cannot be told is asked again after the next change.
    this.#sealTimer ??= setTimeout(() => void this.seal().catch(() => undefined), sealMs).unref();
  }

  /** Answers what was changed. What differs without a new desire is what another process did. */
  async holdTables(desired: Desired, why: Cause): Promise<readonly string[]> {
    const { journal } = this.#ports;
    const actual = why.mayTrust ? this.#written : undefined;
    this.#written = undefined;
    const { tables } = desired.compiled;
    const before = actual ?? (await (why.listing ?? this.listTables(Promise.resolve(tables))));
    if (actual === undefined) this.#learned.note(before, secondsNow());
    const plan = planTables(before, this.#learned.fill(tables, before, secondsNow()));
    // Where nothing differs, what was admitted is what is desired.
    this.#former ??= plan.script === "" ? desired : formerOf(before);
    if (plan.script !== "") await this.#commit(plan.script);
    this.#written = tables;
    this.#sealLater();
    if (plan.script === "") return [];
    const what = summaryOf(plan.changes);
    if (why.isNew) {
      journal.add("info", "applied", what);
      return plan.changes;
    }
    // Who sent to a publication while it was missing is known to the kernel as somebody who talks to the host.
    if (this.#ports.flows && this.#former === desired) this.#former = formerOf(before);
    const tookMs = elapsedMs(why.disturbance);
    this.gaps.tables.add(tookMs);
    const { by = "somebody" } = why.disturbance ?? {};
    journal.add("warning", "restored", `restored${inTime(tookMs)} what ${by} took away: ${what}`);
    return plan.changes;
  }

  /** In restore mode: so that what is put back is not the rules alone. The function returned ends it. */
  watchLearned(): () => void {
    const look = async (): Promise<void> => {
      if (this.#isOwner || !this.#learned.isWanted) return;
      this.#learned.note(await this.#ports.kernel.readTables(), secondsNow());
    };
    // What cannot be listed is told by the next round.
    const timer = setInterval(() => void look().catch(() => undefined), learnedMs);
    return () => clearInterval(timer);
  }

  /** A tap that is gone by now would be refused again and again. */
  async #commit(script: string): Promise<void> {
    try {
      await this.#ports.kernel.commit(script);
    } catch (error) {
      this.#learned.forget();
      throw error;
    }
  }

  /**
   * Ends the flows that were admitted before and are not any more; answers which, in words. After {@link holdTables}. Where it fails,
   * the next call makes up for it.
   */
  async endFlows(desired: Desired): Promise<readonly string[]> {
    const { flows, journal } = this.#ports;
    if (this.#former === desired) return [];
    const plan = this.#former && planCut(this.#former, desired);
    if (plan === undefined || flows === undefined) {
      this.#former = desired;
      if (plan) journal.add("warning", "flows-stay", withoutGate);
      return [];
    }
    const cut = await cutFlows(flows, plan);
    this.#former = desired;
    if (cut.length > 0) journal.add("info", "flows-cut", summaryOf(cut));
    return cut;
  }

  /** Calls back where other firewalls change in a way of which {@link Kernel.watch} does not tell. The function returned ends it. */
  watchOthers(listener: () => void): () => void {
    const { firewalld, xtables } = this.#ports;
    const stops = [firewalld.watch(listener), xtables.watch(listener)];
    return () => stops.forEach((stop) => stop());
  }

  /** Throws {@link KernelError} where something could not be put; the rest is put all the same. */
  async holdPassRules(desired: Desired, why: Cause): Promise<void> {
    const settings = passSettingsOf(desired);
    const { integration } = settings;
    this.#passedAt = undefined;
    const outcome = await this.#keeper.keep(settings);
    this.#passRules = outcome.report;
    if (outcome.isFirewalldTold) {
      const words = integration === "off" ? "knows nothing of us any more" : "lets guests pass";
      this.#ports.journal.add("info", "firewalld-told", `firewalld ${words}`);
    }
    if (outcome.isChanged && integration === "off") {
      this.#ports.journal.add(
        "info",
        "pass-rules-removed",
        "integration is off: no rule of ours is left in other tables",
      );
    } else if (outcome.isChanged) {
      const passed = outcome.report.filter(
        (line) => line.state === "passed" && line.by !== "firewalld",
      );
      const where = passed.map((line) => `${line.family} ${line.table} ${line.chain}`).join(", ");
      const tookMs = why.isNew ? undefined : elapsedMs(why.disturbance, this.#passedAt);
      if (!why.isNew) this.gaps.passRules.add(tookMs);
      const message = `guest traffic passes${inTime(tookMs)}: ${where}`;
      this.#ports.journal.add("info", "pass-rules-put", message);
    }
    this.#disturber = why.disturbance?.by ?? this.#disturber;
    this.#churn.looked(outcome.isChanged || outcome.isFirewalldTold);
    this.#tellContest();
    if (outcome.failures.length > 0) throw new KernelError(outcome.failures.join("; "));
  }

  #tellContest(): void {
    const { contest } = this;
    if (contest !== undefined && !this.#isContestTold) {
      const { times, by = "somebody" } = contest;
      const words = `${by} takes away what lets guests pass, ${times} times in 10 s: it is put back once a second from now on`;
      this.#ports.journal.add("warning", "contested", words);
    }
    this.#isContestTold = contest !== undefined;
  }

  /** After the tables: a tap that comes back to its bridge finds its rules there. */
  async holdBridges(desired: Desired): Promise<void> {
    const { links, journal } = this.#ports;
    const { taps, leftAlone } = planLinks(desired.inventory);
    for (const { tap, bridge } of leftAlone.filter(({ tap }) => !this.#toldTaps.has(tap))) {
      const words = `${tap} is not in ${bridge}, and only a restart of libvirt sets up its port as its XML asks`;
      journal.add("warning", "nic-left-out", words);
    }
    this.#toldTaps = new Set(leftAlone.map(({ tap }) => tap));
    if (taps.length === 0) return;
    await links.enslave(taps);
    const words = taps.map(({ tap, bridge }) => `${tap} to ${bridge}`).join(", ");
    journal.add("info", "nics-put-back", `brought back: ${words}`);
  }

  /** Not on every change of a link: setting it is one. */
  async holdHairpin(desired: Desired): Promise<void> {
    const { links } = this.#ports;
    const taps = planHairpin(desired.compiled.hairpinTaps, desired.inventory.host);
    if (taps.length > 0 && (await links.bridges()).filtered.length > 0) {
      await links.setHairpin(taps);
    }
  }

  /** Until the next {@link holdOwnership} nobody is taken for the owner. What was written anybody may have changed since. */
  forgetOwnership(): void {
    this.#isOwner = false;
    this.#written = undefined;
  }

  async holdOwnership(): Promise<void> {
    const before = JSON.stringify(this.#ownership);
    this.#ownership = await this.#ports.kernel.ownership();
    this.#isOwner = this.#ownership.mode === "owner";
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

/** What decides about pass rules. */
export function passSettingsOf(desired: Desired): PassRuleSettings {
  const { mark, integration } = desired.policy.host;
  return { mark, integration, bridges: judgedBridges(desired) };
}

/** A listing each time. */
const learnedMs = 30_000;
/** How long nothing is to have changed before the tables are looked at beside the rounds; on some hosts that never comes. */
const firstQuietMs = 1_000;
const lastQuietMs = 32_000;
/** How long what was written last may be unsealed, for the case that this process is killed. */
const sealMs = 1_000;

const secondsNow = () => performance.now() / 1000;

const withoutGate =
  "flows that were admitted before go on until they end: there is no gate to cut them";

function summaryOf(changes: readonly string[]): string {
  const shown = changes.slice(0, 5).join("; ");
  return changes.length > 5 ? `${shown}; and ${changes.length - 5} more` : shown;
}

function elapsedMs(
  disturbance: Disturbance | undefined,
  until = performance.now(),
): number | undefined {
  return disturbance && until - disturbance.at;
}

function inTime(tookMs: number | undefined): string {
  return tookMs === undefined ? "" : ` in ${tookMs.toFixed(1)} ms`;
}
